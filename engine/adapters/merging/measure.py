"""How far a merged layer is from what its parents do live: Σ weight · scale · b · a, multiplied out a few rows at a time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.adapters.lora import Layer
from engine.adapters.merging.methods import Term

if TYPE_CHECKING:
    import torch

_VALUES = 1 << 22
"""Most values of a layer's weight that are in memory at once."""


@dataclass(frozen=True)
class LayerError:
    """How a merged layer compares with the live combination."""

    layer: str
    rank: int
    max_error: float
    """Largest difference of one value of the weight."""
    largest: float
    """Largest value of the live combination, to compare the error with."""
    lost: float
    """Sum of the squares of the differences."""
    total: float
    """Sum of the squares of the live combination."""

    @property
    def energy(self) -> float:
        """Share of the live combination's energy that the merged layer has: 1 less what is lost, at least 0."""
        return kept(self.lost, self.total)


def measure(name: str, merged: Layer, terms: list[Term]) -> LayerError:
    """Compare one layer, as it is written, with the live combination in float64."""
    ours = _halves(merged, merged.scale)
    live = [_halves(term.layer, term.factor) for term in terms]
    rows = max(1, _VALUES // ours[0].shape[1])
    error, largest, lost, total = 0.0, 0.0, 0.0, 0.0
    for start in range(0, ours[1].shape[0], rows):
        part = slice(start, start + rows)
        wanted = sum((b[part] @ a for a, b in live[1:]), live[0][1][part] @ live[0][0])
        difference = ours[1][part] @ ours[0] - wanted
        error, largest = max(error, float(difference.abs().max())), max(largest, float(wanted.abs().max()))
        lost, total = lost + float(difference.square().sum()), total + float(wanted.square().sum())
    return LayerError(name, merged.rank, error, largest, lost, total)


def kept(lost: float, total: float) -> float:
    """The share of an energy that is not lost; of none, all if nothing came in its place."""
    if total == 0:
        return 1.0 if lost == 0 else 0.0
    return max(0.0, 1 - lost / total)


def _halves(layer: Layer, factor: float) -> "tuple[torch.Tensor, torch.Tensor]":
    return layer.a.flatten(1).double(), layer.b.flatten(1).double() * factor
