"""Merges adapters of the store into a new one, which is an adapter like any other and says in its header what it is made of.

Reads and writes files; loads no model. What the result is worth is measured on the weights as they are written.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.lora import Layer, Lora, read_lora, write_part
from engine.adapters.merging.compatible import check_options, check_weights, refuse_misfits, refuse_strangers
from engine.adapters.merging.measure import LayerError, kept, measure
from engine.adapters.merging.methods import DENSITY, METHODS, Options, Pair, Term
from engine.adapters.store import CARD, CONFIG, Adapter, Card, publishing, read_adapter, refuse_existing
from engine.errors import BadInput
from engine.files import read_json, write_json

if TYPE_CHECKING:
    import torch

HEADER = "studio.merge"
"""Under which name the recipe stands in the safetensors header."""
DTYPES = ("float32", "bfloat16", "float16")
_FULL = 1e-9
"""Less lost than this share is rounding: the result is exact."""


@dataclass(frozen=True)
class Merged:
    """What a merge made."""

    adapter: Adapter
    method: str
    exact: bool
    """Whether it does what the live combination does, but for rounding."""
    max_error: float
    """Largest difference of one value of a weight from the live combination, over all layers."""
    energy: float
    """Share of the live combination's energy that is kept, over all layers."""
    layers: list[LayerError]
    recipe: dict[str, Any]

    @property
    def note(self) -> str:
        """What to expect of the method, in a sentence."""
        return METHODS[self.method].note


def merge(
    weighted: list[tuple[str, float]],
    name: str,
    method: str = "cat",
    options: Options | None = None,
    dtype: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Make one adapter of several.

    Args:
        weighted: the adapters' names, each with its weight; a negative one takes away.
        name: of the new adapter.
        method: one of `METHODS`; `cat` is exact.
        options: what the method takes.
        dtype: that the result is written in; whatever it costs is in the error.
        progress: called with the layers done and the layers there are.

    Raises:
        BadInput: the adapters cannot be merged, or not in this way, or the name is taken.
    """
    options = options or Options()
    refuse_existing(name)
    check_options(method, options)
    check_weights(weighted)
    if dtype not in DTYPES:
        raise BadInput("There is no type “{dtype}”: choose one of {types}.", dtype=dtype, types=", ".join(DTYPES))
    adapters = [read_adapter(parent) for parent, _ in weighted]
    refuse_strangers(adapters)
    loras = [read_lora(adapter) for adapter in adapters]
    weights = [weight for _, weight in weighted]
    recipe = _recipe(adapters, weights, method, options, dtype)
    merged, errors = merge_layers(adapters, loras, weights, method, options, dtype, progress)
    lost, total = math.fsum(error.lost for error in errors), math.fsum(error.total for error in errors)
    figures = {"max_error": max(error.max_error for error in errors), "energy": kept(lost, total)}
    with publishing(name) as folder:
        for part, layers in merged.items():
            write_part(folder / part, layers, _config(adapters, part), _header(adapters, recipe))
        write_json(folder / CARD, _card(adapters, recipe, figures).model_dump())
    return Merged(
        adapter=read_adapter(name),
        method=method,
        exact=METHODS[method].exact or lost <= _FULL * total,
        layers=errors,
        recipe=recipe,
        **figures,
    )


def merge_layers(
    adapters: list[Adapter],
    loras: list[Lora],
    weights: list[float],
    method: str = "cat",
    options: Options | None = None,
    dtype: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Lora, list[LayerError]]:
    """Merge in memory: all layers that any parent has, each of the parents that have it.

    Args:
        adapters: the parents.
        loras: their layers.
        weights: one each.
        method: one of `METHODS`.
        options: what the method takes.
        dtype: of the result.
        progress: called with the layers done and the layers there are.

    Raises:
        BadInput: the adapters cannot be merged, or not in this way.
    """
    import torch

    refuse_strangers(adapters)
    refuse_misfits(adapters, loras, method)
    options, progress = options or Options(), progress or (lambda *_: None)
    pairs = list(zip(loras, weights, strict=True))
    generator = torch.Generator().manual_seed(options.seed or 0)
    places = sorted({(part, path) for lora in loras for part, layers in lora.items() for path in layers})
    merged: Lora = {}
    errors = []
    for done, (part, path) in enumerate(places):
        progress(done, len(places))
        terms = [Term(lora[part][path], weight) for lora, weight in pairs if path in lora.get(part, {})]
        layer = _layer(METHODS[method].merge(terms, options, generator), getattr(torch, dtype))
        merged.setdefault(part, {})[path] = layer
        errors.append(measure(f"{part}.{path}" if part else path, layer, terms))
    progress(len(places), len(places))
    return merged, errors


def _layer(pair: Pair, dtype: "torch.dtype") -> Layer:
    a, b = (side.to(dtype).contiguous() for side in pair)
    if not (bool(a.isfinite().all()) and bool(b.isfinite().all())):
        raise BadInput(
            "The weights get too large for {dtype}: choose float32.", dtype=str(dtype).removeprefix("torch.")
        )
    return Layer(a, b, float(a.shape[0]))  # alpha is the rank: weights and scales are in b


def _recipe(adapters: list[Adapter], weights: list[float], method: str, options: Options, dtype: str) -> dict[str, Any]:
    """All it takes to do it again: what was not given stands with its default."""
    takes = METHODS[method].takes
    parents = [
        {"name": adapter.name, "fingerprint": adapter.fingerprint, "weight": weight}
        for adapter, weight in zip(adapters, weights, strict=True)
    ]
    return {
        "parents": parents,
        "method": method,
        "rank": options.rank,
        "density": (DENSITY if options.density is None else options.density) if "density" in takes else None,
        "seed": (options.seed or 0) if "seed" in takes else None,
        "dtype": dtype,
    }


def _config(adapters: list[Adapter], part: str) -> dict[str, Any]:
    """PEFT's settings of the first parent that has the part."""
    return next(config for adapter in adapters if (config := _read(adapter.path / part / CONFIG)))


def _read(file: Path) -> dict[str, Any]:
    return read_json(file) if file.exists() else {}


def _header(adapters: list[Adapter], recipe: dict[str, Any]) -> dict[str, str]:
    header = {HEADER: json.dumps(recipe, ensure_ascii=False)}
    if adapters[0].card.kind == "image":
        header["modelspec.merged_from"] = ", ".join(adapter.name for adapter in adapters)
    return header


def _card(adapters: list[Adapter], recipe: dict[str, Any], figures: dict[str, float]) -> Card:
    first = adapters[0].card
    fingerprints = {adapter.card.base_fingerprint for adapter in adapters}
    words = [adapter.card.trigger_words for adapter in adapters if adapter.card.trigger_words]
    return Card(
        kind=first.kind,
        base_model=first.base_model,
        base_fingerprint=first.base_fingerprint if len(fingerprints) == 1 else None,
        method="merge",
        created=time.time(),
        spec=recipe,
        metrics=figures,
        family=first.family,
        trigger_words=", ".join(dict.fromkeys(words)),
    )


def describe(merged: Merged) -> dict[str, Any]:
    """For `--json` and the page."""
    layers = [{**asdict(error), "energy": error.energy} for error in merged.layers]
    for layer in layers:
        del layer["lost"], layer["total"]
    return {
        "name": merged.adapter.name,
        "method": merged.method,
        "max_error": merged.max_error,
        "energy": merged.energy,
        "exact": merged.exact,
        "note": merged.note,
        "rank": merged.adapter.rank,
        "fingerprint": merged.adapter.fingerprint,
        "recipe": merged.recipe,
        "layers": layers,
    }
