"""Adapters in the store made of nothing but matrices: no model is needed to merge them."""

from typing import Any

import torch

from engine.adapters.lora import Layer, Lora, Part, read_lora, write_part
from engine.adapters.store import CARD, Adapter, Card, publishing, read_adapter
from engine.files import write_json

SIZES = {"model.layers.0.q_proj": (12, 8), "model.layers.0.up_proj": (20, 8), "model.layers.1.q_proj": (12, 8)}
"""Outputs and inputs of the modules of a model there is not."""


def layers(seed: int, ranks: dict[str, int], alphas: dict[str, float] | None = None) -> Part:
    """Random layers of these ranks, for some of the modules."""
    generator = torch.Generator().manual_seed(seed)
    return {
        path: Layer(
            torch.randn(rank, SIZES[path][1], generator=generator),
            torch.randn(SIZES[path][0], rank, generator=generator),
            (alphas or {}).get(path, 8.0),
        )
        for path, rank in ranks.items()
    }


def put(name: str, part: Part | Lora, config: dict[str, Any] | None = None, **card: Any) -> Adapter:
    """An adapter of these layers in the store; a chat adapter, unless its parts are named."""
    lora: Lora = {"": part} if all(isinstance(value, Layer) for value in part.values()) else part  # type: ignore
    with publishing(name) as folder:
        for folder_name, its in lora.items():
            write_part(folder / folder_name, its, {"task_type": None, **(config or {})}, {})
        write_json(folder / CARD, Card(**{"base_model": "tiny", **card}).model_dump())
    return read_adapter(name)


def uniform(seed: int, rank: int = 4, alpha: float = 8.0) -> Part:
    """Random layers for all modules, all of one rank and alpha."""
    return layers(seed, dict.fromkeys(SIZES, rank), dict.fromkeys(SIZES, alpha))


def delta(layer: Layer) -> torch.Tensor:
    """What a layer adds to its module's weight, in float64."""
    return layer.alpha / layer.a.shape[0] * (layer.b.double().flatten(1) @ layer.a.double().flatten(1))


def deltas(name: str, part: str = "") -> dict[str, torch.Tensor]:
    """What an adapter of the store adds, by module."""
    return {path: delta(layer) for path, layer in read_lora(read_adapter(name))[part].items()}


def live(weighted: list[tuple[Part, float]]) -> dict[str, torch.Tensor]:
    """Σ weight · scale · B · A, by module: what the adapters do together."""
    total: dict[str, torch.Tensor] = {}
    for part, weight in weighted:
        for path, layer in part.items():
            total[path] = total.get(path, torch.zeros(())) + weight * delta(layer)
    return total


def difference(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """Largest difference of a value; both must have the same modules."""
    assert found.keys() == wanted.keys()
    return max(float((found[path] - wanted[path]).abs().max()) for path in wanted)
