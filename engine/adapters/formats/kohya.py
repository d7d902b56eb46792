"""kohya's keys, which A1111 and ComfyUI load: `lora_unet_….lora_down.weight`, `.lora_up.weight` and the true `.alpha`."""

from typing import TYPE_CHECKING

from engine.adapters.formats.family import other_family
from engine.adapters.formats.names import from_kohya, to_kohya
from engine.adapters.lora import Layer, Lora, check_pair, more_than_lora
from engine.errors import BadInput

if TYPE_CHECKING:
    import torch

_PREFIXES = {
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
}
_ENDINGS = {"lora_down.weight": "A", "lora_up.weight": "B", "alpha": "alpha"}
_OTHER_ENDINGS = {
    "dora_scale": "DoRA",
    "lora_mid.weight": "LyCORIS",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "diff": "full weights",
}


def is_kohya(keys: list[str]) -> bool:
    """Whether a file's keys are kohya's."""
    return any(key.startswith(tuple(_PREFIXES)) for key in keys)


def read(tensors: "dict[str, torch.Tensor]", name: str) -> Lora:
    """The layers of a file with kohya's keys; a layer without an alpha has that of its rank, as kohya means it.

    Args:
        tensors: of the file.
        name: the file's, for messages.

    Raises:
        BadInput: it is of another family, more than LoRA, or damaged.
    """
    found: dict[str, dict[str, dict[str, torch.Tensor]]] = {}
    for key, tensor in tensors.items():
        part, path, ending = _place(key, name)
        layer = found.setdefault(part, {}).setdefault(path, {})
        if ending in layer:  # under both names that SDXL's layers have
            raise BadInput("“{name}” names the layer “{layer}” twice.", name=name, layer=path)
        layer[ending] = tensor
    return {part: {path: _layer(layer, path, name) for path, layer in layers.items()} for part, layers in found.items()}


def write(lora: Lora, family: str) -> "dict[str, torch.Tensor]":
    """A LoRA with kohya's keys.

    Args:
        lora: its layers.
        family: of the model it fits, which decides the names.
    """
    import torch

    tensors = {}
    two = family == "sdxl" or "text_encoder_2" in lora
    for part, layers in lora.items():
        for path, layer in layers.items():
            key = _prefix(part, two) + _name(part, path, family)
            tensors[f"{key}.lora_down.weight"] = layer.a.contiguous()
            tensors[f"{key}.lora_up.weight"] = layer.b.contiguous()
            tensors[f"{key}.alpha"] = torch.tensor(layer.alpha, dtype=torch.float32)
    return tensors


def _layer(found: "dict[str, torch.Tensor]", path: str, name: str) -> Layer:
    alpha = found.pop("alpha", None)
    check_pair(found, path, name)
    return Layer(found["A"], found["B"], float(found["A"].shape[0] if alpha is None else alpha.reshape(-1)[0]))


def _place(key: str, name: str) -> tuple[str, str, str]:
    """Part, layer and ending that a key tells."""
    for prefix, part in _PREFIXES.items():
        if key.startswith(prefix):
            layer, _, ending = key.removeprefix(prefix).partition(".")
            path = from_kohya(layer)
            if ending not in _ENDINGS:
                more = next((words for start, words in _OTHER_ENDINGS.items() if ending.startswith(start)), ending)
                raise more_than_lora(name, more[:80])
            if path is not None:
                return part, path.removeprefix("text_model."), _ENDINGS[ending]
    raise other_family(name, key)


def _prefix(part: str, two: bool) -> str:
    """How a part's keys begin, by whether the model has two text encoders."""
    if part == "unet":
        return "lora_unet_"
    if not two:
        return "lora_te_"
    return "lora_te1_" if part == "text_encoder" else "lora_te2_"


def _name(part: str, path: str, family: str) -> str:
    if part == "unet":
        return to_kohya(path, stability=family == "sdxl")
    bare = path.removeprefix("text_model.")
    return to_kohya(bare if bare.startswith("text_projection") else f"text_model.{bare}")
