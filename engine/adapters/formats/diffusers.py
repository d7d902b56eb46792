"""diffusers' keys: `unet.….lora_A.weight`; alphas stand in the header, where only diffusers since 0.34 looks for them.

Reads what its training scripts have written over the years (`.lora.down.`, `.lora_linear_layer.`, `.processor.to_q_lora.`).
"""

import json
import re
from typing import TYPE_CHECKING, Any

from engine.adapters.formats.family import other_family
from engine.adapters.formats.names import is_layer
from engine.adapters.lora import (
    Layer,
    Lora,
    alpha_of,
    check_pair,
    damaged,
    more_than_lora,
    refuse_more_than_lora,
    settings_of,
)
from engine.adapters.store import COMPONENTS

if TYPE_CHECKING:
    import torch

METADATA = "lora_adapter_metadata"
_ENDING = re.compile(r"(.+?)(?:\.lora|\.lora_linear_layer|_lora|)\.(lora_A|lora_B|down|up)\.weight")
_SIDES = {"lora_A": "A", "down": "A", "lora_B": "B", "up": "B"}
_IN_TEXT_ENCODER = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def is_diffusers(keys: list[str]) -> bool:
    """Whether a file's keys are diffusers'."""
    return any(key.startswith(tuple(f"{part}." for part in COMPONENTS)) for key in keys)


def read(tensors: "dict[str, torch.Tensor]", metadata: dict[str, str], name: str) -> Lora:
    """The layers of a file with diffusers' keys; without an alpha in the header it is the rank, as diffusers means it.

    Args:
        tensors: of the file.
        metadata: of its header.
        name: the file's, for messages.

    Raises:
        BadInput: it is of another family, more than LoRA, or damaged.
    """
    found: dict[str, dict[str, dict[str, torch.Tensor]]] = {}
    for key, tensor in tensors.items():
        part, path, side = _place(key, name)
        found.setdefault(part, {}).setdefault(path, {})[side] = tensor
    told = _told(metadata, name)
    lora: Lora = {}
    for part, layers in found.items():
        config = _of_part(told, part)
        refuse_more_than_lora(config, name)
        for path, pair in layers.items():
            check_pair(pair, path, name)
            rank = pair["A"].shape[0]
            alpha = alpha_of(config, path, rank, name) if config else float(rank)
            lora.setdefault(part, {})[path] = Layer(pair["A"], pair["B"], alpha)
    return lora


def write(lora: Lora) -> "tuple[dict[str, torch.Tensor], dict[str, str]]":
    """A LoRA with diffusers' keys, and what goes into the header: the alphas.

    Text encoders have the level `text_model` in the keys, which older versions need and newer ones take away; the
    header has it not, because PEFT compares endings of names and finds the layers either way.
    """
    tensors, told = {}, {}
    for part, layers in lora.items():
        bare = {path.removeprefix("text_model."): layer for path, layer in layers.items()}
        anchor = "^" if part == "unet" else ""
        told |= {f"{part}.{key}": value for key, value in settings_of(bare, anchor).items()}
        for path, layer in bare.items():
            level = "" if part == "unet" or path.startswith("text_projection") else "text_model."
            tensors[f"{part}.{level}{path}.lora_A.weight"] = layer.a.contiguous()
            tensors[f"{part}.{level}{path}.lora_B.weight"] = layer.b.contiguous()
    return tensors, {METADATA: json.dumps(told, indent=2, sort_keys=True)}


def _place(key: str, name: str) -> tuple[str, str, str]:
    """Part, layer and side that a key tells."""
    part, _, rest = key.partition(".")
    if part in COMPONENTS:
        if "lora_magnitude_vector" in rest:
            raise more_than_lora(name, "DoRA")
        match = _ENDING.fullmatch(rest)
        if match:
            path = match[1].replace(".processor.", ".").removeprefix("text_model.")
            path = re.sub(r"\.to_out$", ".to_out.0", path)
            if part != "unet":
                parent, _, last = path.removesuffix(".0").rpartition(".")
                path = f"{parent}.{_IN_TEXT_ENCODER[last]}" if last in _IN_TEXT_ENCODER else path
            if is_layer(path):
                return part, path, _SIDES[match[2]]
        if rest.endswith(".bias"):
            raise more_than_lora(name, "biases")
    raise other_family(name, key)


def _of_part(told: dict[str, Any], part: str) -> dict[str, Any]:
    """PEFT's settings of one part, its patterns without the level that text encoders had."""
    config = {key.removeprefix(f"{part}."): value for key, value in told.items() if key.startswith(f"{part}.")}
    for kind in ("rank_pattern", "alpha_pattern"):
        if isinstance(config.get(kind), dict):
            config[kind] = {key.replace("text_model.", ""): value for key, value in config[kind].items()}
    return config


def _told(metadata: dict[str, str], name: str) -> dict[str, Any]:
    try:
        told = json.loads(metadata.get(METADATA) or "{}")
    except ValueError as error:
        raise damaged(name) from error
    if not isinstance(told, dict):
        raise damaged(name)
    return told
