"""What a LoRA file says of itself in its header, as A1111, ComfyUI and others look for it (`ss_*`, `modelspec.*`)."""

import json
import time
from pathlib import Path
from typing import Any

from engine.adapters.lora import Lora, damaged, most
from engine.adapters.store import Adapter, Card

_PREFIXES = ("ss_", "modelspec.")
_LONGEST = {"ss_tag_frequency": 65_536}
_LONG = 4_096
_MOST = 200
_LONGEST_ORIGIN = 2**20
_VERSIONS = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}
_ARCHITECTURES = {
    "sd1": "stable-diffusion-v1/lora",
    "sd2": "stable-diffusion-v2-512/lora",
    "sdxl": "stable-diffusion-xl-v1-base/lora",
}


def read_metadata(file: Path) -> dict[str, str]:
    """All of a safetensors file's own metadata.

    Raises:
        BadInput: it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            return opened.metadata() or {}
    except SafetensorError as error:
        raise damaged(file.name) from error


def worth_keeping(metadata: dict[str, str]) -> dict[str, str]:
    """The strings that other programs look at, unless they are of an absurd length."""
    known = [key for key in sorted(metadata) if key.startswith(_PREFIXES) and len(key) < 100]
    return {key: metadata[key] for key in known[:_MOST] if len(metadata[key]) <= _LONGEST.get(key, _LONG)}


def header(adapter: Adapter, lora: Lora) -> dict[str, str]:
    """The header of a file to hand on: what was imported with the adapter, and what is true of it now.

    Args:
        adapter: with its card.
        lora: its layers, as they are written.
    """
    card, layers = adapter.card, [layer for part in lora.values() for layer in part.values()]
    family = card.family or "other"
    same = len({layer.rank for layer in layers}) == 1
    told = {
        **card.metadata,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(layers[0].rank) if same else "Dynamic",
        "ss_network_alpha": f"{most([layer.alpha for layer in layers]):g}" if same else "Dynamic",
        "ss_output_name": adapter.name,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": card.metadata.get("modelspec.title", adapter.name),
        "modelspec.implementation": "diffusers",
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(card.created)),
    }
    if family in _VERSIONS:
        told |= {"ss_base_model_version": _VERSIONS[family], "modelspec.architecture": _ARCHITECTURES[family]}
        told |= {"ss_v2": str(family == "sd2")}
    if card.base_model:
        told["ss_sd_model_name"] = card.base_model
    if card.trigger_words:
        told["modelspec.trigger_phrase"] = card.trigger_words
    parents = card.spec.get("parents")
    if card.method == "merge" and isinstance(parents, list):
        told["modelspec.merged_from"] = ", ".join(parent["name"] for parent in parents)
    return told


def origin_header(card: Card) -> dict[str, str]:
    """How an adapter was made, as `origin` reads it: a merge's recipe, of a training the prompt alone."""
    if card.method == "merge":
        return {"studio.merge": json.dumps(card.spec, ensure_ascii=False)}
    if card.method == "dreambooth":
        spec = {"instance_prompt": card.spec.get("instance_prompt")}
        return {"studio.dreambooth": json.dumps(spec, ensure_ascii=False)}
    return {}


def origin(metadata: dict[str, str]) -> dict[str, Any]:
    """The card's `method` and `spec` in a file that a studio wrote; nothing of any other."""
    for method in ("merge", "dreambooth"):
        try:
            spec = json.loads(metadata.get(f"studio.{method}", "")[:_LONGEST_ORIGIN])
            named = all(isinstance(parent["name"], str) for parent in spec.get("parents", []))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
        if named:
            return {"method": method, "spec": spec}
    return {}
