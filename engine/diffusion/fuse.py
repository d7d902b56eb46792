"""Puts adapters into a picture model's own weights: in memory, to be undone to the bit, or as a folder that needs no adapter.

Undoing subtracts nothing: the original weights are kept. The base's files and the store stay as they are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.lora import Layer, Lora, read_lora
from engine.adapters.store import CARD, read_adapter
from engine.diffusion import catalog
from engine.diffusion.catalog import resolve
from engine.diffusion.families import family
from engine.diffusion.live_loras import check_shapes, complete, parts_of, weighted
from engine.diffusion.pipelines import Placement, bytes_needed, load, picture_dtype
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from engine.files import read_safetensors_header, write_json
from engine.models.fuse import new_folder, refuse_too_large

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
_WRITTEN = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class FusedPipeline:
    """A model that adapters were put into."""

    path: Path
    base_model: str
    loras: list[LoraWeight]
    dtype: str
    bytes: int


class Fusion:
    """Adapters in a pipeline's weights, until `undo`.

    Args:
        pipe: the pipeline, changed in place; no adapter may be live in it.
        loras: layers, each adapter's with its weight in its alphas.
    """

    def __init__(self, pipe: Any, loras: list[Lora]):
        self._originals: list[tuple[Any, torch.Tensor]] = []
        for part, model in parts_of(pipe).items():
            modules = dict(model.named_modules())
            for path in sorted({path for lora in loras for path in lora.get(part, {})}):
                module = modules[path]
                base = getattr(module, "base_layer", module)  # an adapter that sits there idle is around it
                self._originals.append((base, base.weight.data))
                base.weight.data = _sum(
                    base.weight.data, [lora[part][path] for lora in loras if path in lora.get(part, {})]
                )

    def undo(self) -> None:
        """Give the pipeline its own weights back, the very same bits."""
        while self._originals:
            module, weight = self._originals.pop()
            module.weight.data = weight


def fuse_into(pipe: Any, loras: list[LoraWeight], model: str = "") -> Fusion:
    """Put adapters of the store into a pipeline's weights.

    Args:
        pipe: the pipeline, changed in place.
        loras: the adapters with their weights.
        model: what the pipeline is called, for messages.

    Raises:
        BadInput: one does not fit.
    """
    read = []
    for lora in loras:
        layers = read_lora(read_adapter(lora.name, kind="image"))
        check_shapes(parts_of(pipe), layers, lora.name, model)
        read.append(weighted(layers, lora))
    return Fusion(pipe, read)


def fuse(loras: list[LoraWeight], out: Path, model: str | None = None, dtype: str | None = None) -> FusedPipeline:
    """Write a pipeline folder with adapters in its weights.

    Args:
        loras: the adapters with their weights.
        out: the folder to make; it appears whole or not at all.
        model: the base; by default the one the first adapter was made for.
        dtype: of the new weights; by default that of the base's.

    Raises:
        BadInput: there is no such adapter or base, one does not fit, or the folder exists and is not empty.
        Failure: the memory does not suffice.
    """
    if dtype is not None and dtype not in DTYPES:
        raise BadInput("There is no type “{dtype}”: choose one of {types}.", dtype=dtype, types=", ".join(DTYPES))
    first = read_adapter(loras[0].name, kind="image")
    if not (model or first.card.base_model):
        raise BadInput("“{name}” does not say which model it was made for: name one with --model.", name=first.name)
    source = resolve(model or first.card.base_model)
    recipe = complete(Recipe(loras=loras), source.name, catalog.fingerprint(source), family(source))
    refuse_too_large(source.name, bytes_needed(source) * 4 // picture_dtype().itemsize)
    with new_folder(out) as folder:
        pipe = load(source, Placement(dtype="float32", device_map="cpu"))
        fuse_into(pipe, recipe.loras, source.name)
        dtype = dtype or _dtype(source)
        _round(pipe, dtype)
        pipe.save_pretrained(folder, safe_serialization=True)
        origin = {"base_model": source.name, "loras": [lora.model_dump() for lora in recipe.loras]}
        write_json(folder / CARD, {**first.card.model_dump(), "fused": origin})
    size = sum(file.stat().st_size for file in out.rglob("*.safetensors"))
    return FusedPipeline(out, source.name, recipe.loras, dtype, size)


def _sum(weight: "torch.Tensor", layers: list[Layer]) -> "torch.Tensor":
    """The weight with what the layers add to it, added up in float32."""
    total = weight.float()
    for layer in layers:
        product = layer.b.flatten(1).float() @ layer.a.flatten(1).float()
        total = total + (layer.scale * product).reshape(weight.shape).to(weight.device)
    return total.to(weight.dtype)


def _round(pipe: Any, dtype: str) -> None:
    import torch

    pipe.to(getattr(torch, dtype))
    for model in parts_of(pipe).values():
        if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
            raise BadInput("The weights get too large for {dtype}: choose float32.", dtype=dtype)


def _dtype(source: catalog.PictureSource) -> str:
    """The type of the first of the UNet's weights; float32 if it is one that nothing is written in."""
    header = read_safetensors_header(catalog.weights_of(source)[0])
    return _WRITTEN.get(next(iter(header.values()))["dtype"], "float32")
