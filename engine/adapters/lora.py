"""An adapter's weights as plain data: for each module its two matrices and alpha, whatever the file called them.

Only what is exactly that is read. DoRA, biases and the like are refused, because whoever merges or converts two matrices
would lose the rest without a word.
"""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.store import CONFIG, WEIGHTS, Adapter, check_files, parts
from engine.errors import BadInput
from engine.files import write_json

if TYPE_CHECKING:
    import torch

_KEY = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])\.weight")
_MORE = {
    "use_dora": "DoRA",
    "lora_bias": "biases",
    "modules_to_save": "modules saved whole (modules_to_save)",
    "trainable_token_indices": "trained tokens",
    "target_parameters": "parameters outside of layers",
    "layer_replication": "replicated layers",
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "alora_invocation_tokens": "aLoRA",
    "arrow_config": "Arrow routing",
    "monteclora_config": "MonteCLoRA",
    "kasa_config": "KaSA",
}
"""Settings of PEFT under which an adapter is more than two matrices a module, and what they are called."""
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations after which the matrices belong to another base than the plain one."""


@dataclass(frozen=True)
class Layer:
    """One module's part: what it adds to the weight is `alpha / rank · b · a`."""

    a: "torch.Tensor"
    """rank × inputs; of a convolution rank × channels × height × width."""
    b: "torch.Tensor"
    """outputs × rank; of a convolution outputs × rank × 1 × 1."""
    alpha: float

    @property
    def rank(self) -> int:
        """Rows of `a`."""
        return self.a.shape[0]

    @property
    def scale(self) -> float:
        """What the product is multiplied with."""
        return self.alpha / self.rank


Part = dict[str, Layer]
"""Module path → layer, of one model."""
Lora = dict[str, Part]
"""Part's folder ("" of a language model, `unet`, `text_encoder`, …) → its layers."""


def read_lora(adapter: Adapter) -> Lora:
    """All parts of an adapter in the store.

    Raises:
        BadInput: it is damaged, or more than two matrices a module.
    """
    return {part: live_names(part, read_part(adapter.path / part, adapter.name)) for part in parts(adapter.path)}


def read_part(folder: Path, name: str) -> Part:
    """The layers of a folder in PEFT's layout.

    Args:
        folder: with PEFT's two files.
        name: the adapter's, for messages.

    Raises:
        BadInput: it is damaged, or more than two matrices a module.
    """
    from safetensors.torch import load_file

    config = check_files(folder, name)
    refuse_more_than_lora(config, name)
    matrices: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(folder / WEIGHTS).items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise _unknown_key(name, key)
        matrices.setdefault(match[1], {})[match[2]] = tensor
    layers = {}
    for path, pair in sorted(matrices.items()):
        check_pair(pair, path, name)
        layers[path] = Layer(pair["A"], pair["B"], alpha_of(config, path, pair["A"].shape[0], name))
    if not layers:
        raise damaged(name)
    return layers


def alpha_of(config: dict[str, Any], path: str, rank: int, name: str) -> float:
    """A layer's alpha, of a rank-stabilised one (which divides by the root of the rank) that of the same scale.

    Args:
        config: PEFT's settings.
        path: the layer's.
        rank: that of its matrices, which the settings must agree with.
        name: the adapter's, for messages.

    Raises:
        BadInput: the settings are of other layers.
    """
    try:
        told = _of_pattern(config.get("rank_pattern"), path, config["r"])
        alpha = float(_of_pattern(config.get("alpha_pattern"), path, config["lora_alpha"]))
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise damaged(name) from error
    if told != rank or not math.isfinite(alpha):
        raise damaged(name)
    return alpha * math.sqrt(rank) if config.get("use_rslora") else alpha


def check_pair(pair: "dict[str, torch.Tensor]", path: str, name: str) -> None:
    """Refuse what is no pair of matrices that can be multiplied, or holds infinities.

    Args:
        pair: "A" and "B", or what there is of them.
        path: their module.
        name: the adapter's, for messages.

    Raises:
        BadInput: it is none.
    """
    if set(pair) != {"A", "B"}:
        raise BadInput("“{name}” is half an adapter: “{layer}” has one matrix of two.", name=name, layer=path)
    a, b = pair["A"], pair["B"]
    if not (a.dim() == b.dim() and a.dim() in (2, 4) and a.shape[0] == b.shape[1] > 0):
        raise damaged(name)
    if not (bool(a.isfinite().all()) and bool(b.isfinite().all())):
        raise BadInput("The weights of “{name}” in “{layer}” are no numbers: train it again.", name=name, layer=path)


def write_part(folder: Path, part: Part, config: dict[str, Any], header: dict[str, str]) -> None:
    """Write layers in PEFT's layout.

    Args:
        folder: made if it is not there.
        part: the layers.
        config: PEFT's settings to keep; those that tell ranks, alphas and modules are set here.
        header: goes into the safetensors file's header.
    """
    folder.mkdir(exist_ok=True)
    tensors = {}
    for path, layer in part.items():
        tensors[f"base_model.model.{path}.lora_A.weight"] = layer.a.contiguous()
        tensors[f"base_model.model.{path}.lora_B.weight"] = layer.b.contiguous()
    save(tensors, folder / WEIGHTS, header)
    write_json(folder / CONFIG, {"peft_type": "LORA", **config, **settings_of(part)})


def save(tensors: "dict[str, torch.Tensor]", file: Path, header: dict[str, str]) -> None:
    """Write a safetensors file that is the same, byte for byte, whenever its content is.

    Args:
        tensors: by name.
        file: to write.
        header: what the file says of itself; the library writes it in an order of chance, which would make another
            fingerprint each time.
    """
    from safetensors.torch import save_file

    save_file(tensors, file, metadata={"format": "pt", **header})
    with file.open("rb+") as opened:
        length = int.from_bytes(opened.read(8), "little")
        written = json.loads(opened.read(length))
        ordered = json.dumps(written, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        if len(ordered) <= length:
            opened.seek(8)
            opened.write(ordered.ljust(length))


def settings_of(part: Part, anchor: str = "^") -> dict[str, Any]:
    """PEFT's settings that tell these layers' modules, ranks and alphas.

    Args:
        part: the layers.
        anchor: stands before a module's path in the patterns, so that no other path with the same ending is meant.
    """
    rank = most([layer.rank for layer in part.values()])
    alpha = most([layer.alpha for layer in part.values()])
    return {
        "r": rank,
        "lora_alpha": _plain(alpha),
        "rank_pattern": {anchor + path: layer.rank for path, layer in part.items() if layer.rank != rank},
        "alpha_pattern": {anchor + path: _plain(layer.alpha) for path, layer in part.items() if layer.alpha != alpha},
        "target_modules": list(part),
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "init_lora_weights": True,
        "layers_to_transform": None,
        "layers_pattern": None,
        "exclude_modules": None,
        "inference_mode": True,
    }


def refuse_more_than_lora(config: dict[str, Any], name: str) -> None:
    """Refuse an adapter that is more than two matrices a module.

    Args:
        config: PEFT's settings.
        name: the adapter's, for messages.

    Raises:
        BadInput: it is.
    """
    found = [words for key, words in _MORE.items() if config.get(key)]
    if config.get("bias", "none") != "none":
        found.append("biases")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGES_BASE):
        found.append(f"a start that changes the base ({start})")
    if found:
        raise more_than_lora(name, ", ".join(found))


def damaged(name: str) -> BadInput:
    """The refusal of files that contradict themselves."""
    return BadInput("The adapter “{name}” is damaged: its files cannot be read.", name=name)


def more_than_lora(name: str, what: str) -> BadInput:
    """The refusal of an adapter that would lose something."""
    return BadInput(
        "“{name}” is more than two matrices a layer ({what}): that part would be lost without a word, so it can be neither "
        "merged nor converted.",
        name=name,
        what=what,
    )


def live_names(part: str, layers: Part) -> Part:
    """Layers by their modules' names today: transformers 5.6 took the level `text_model` out of `CLIPTextModel`.

    The text encoder with a projection, SDXL's second, kept it.
    """
    if part not in ("text_encoder", "text_encoder_2"):
        return layers
    level = "text_model." if part == "text_encoder_2" else ""
    bare = {path.removeprefix("text_model."): layer for path, layer in layers.items()}
    return {path if path.startswith("text_projection") else level + path: layer for path, layer in bare.items()}


def _of_pattern(patterns: dict[str, Any] | None, path: str, otherwise: Any) -> Any:
    """As PEFT looks it up: the first pattern that matches the end of the path."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return value
    return otherwise


def most(values: list[Any]) -> Any:
    """The value there are most of."""
    count = Counter(values)
    return max(sorted(count), key=count.__getitem__)


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _unknown_key(name: str, key: str) -> BadInput:
    what = {
        "lora_magnitude_vector": "DoRA",
        "dora_scale": "DoRA",
        ".bias": "biases",
        "lora_embedding": "embeddings",
        "modules_to_save": "modules saved whole (modules_to_save)",
    }
    known = next((words for part, words in what.items() if part in key), None)
    if known:
        return more_than_lora(name, known)
    return BadInput("“{name}” has weights that belong to no LoRA layer, such as “{key}”.", name=name, key=key[:200])
