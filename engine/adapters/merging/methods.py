"""The ways of making one pair of matrices of several, layer by layer. In float32; one exact, the others approximate by nature.

Formulas are PEFT's (`peft.utils.merge_utils`) where those are right. Its random pruning draws from the global generator and
its TIES elects signs before a negative weight turns them: here a merge has a generator of its own, and signs are elected as
they count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.adapters.lora import Layer

if TYPE_CHECKING:
    import torch

DENSITY = 0.5


@dataclass(frozen=True)
class Options:
    """What the methods can be told; None where a method takes no such thing."""

    rank: int | None = None
    """Of `svd`: the rank of the result."""
    density: float | None = None
    """Of the pruning methods: the share of values that stay."""
    seed: int | None = None
    """Of the methods that draw."""


@dataclass(frozen=True)
class Term:
    """A layer of one parent, and its weight in the sum."""

    layer: Layer
    weight: float

    @property
    def factor(self) -> float:
        """What its product counts with: weight and scale."""
        return self.weight * self.layer.scale


Pair = tuple["torch.Tensor", "torch.Tensor"]
"""a and b of the result, to be multiplied as they are."""


@dataclass(frozen=True)
class Method:
    """A way of merging."""

    merge: "Callable[[list[Term], Options, torch.Generator], Pair]"
    note: str
    """What to expect of it, in a sentence; the key of its translation."""
    exact: bool = False
    equal_ranks: bool = True
    """Whether the parents' ranks must be the same in each layer."""
    takes: tuple[str, ...] = ()
    """Which of the options."""


def _cat(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    """The matrices side by side: their product is the sum of the products."""
    import torch

    a = torch.cat([term.layer.a.float() for term in terms], dim=0)
    b = torch.cat([term.layer.b.float() * term.factor for term in terms], dim=1)
    return a, b


def _svd(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    """The nearest sum of that rank: the strongest directions of the exact one, found without making the whole matrix."""
    import torch

    a, b = _cat(terms, options, generator)
    flat_a, flat_b = a.flatten(1).double(), b.flatten(1).double()
    q_b, r_b = torch.linalg.qr(flat_b)
    q_a, r_a = torch.linalg.qr(flat_a.T)
    u, s, v = torch.linalg.svd(r_b @ r_a.T)
    rank = min(options.rank or max(term.layer.rank for term in terms), len(s))
    root = s[:rank].sqrt()
    small_b, small_a = q_b @ u[:, :rank] * root, root[:, None] * (v[:rank] @ q_a.T)
    return small_a.float().reshape(rank, *a.shape[1:]), small_b.float().reshape(b.shape[0], rank, *b.shape[2:])


def _linear(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    a, b = _factors(terms)
    return sum(a[1:], a[0]), sum(b[1:], b[0])


def _magnitude_prune(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    a, b = ([_largest(tensor, options) for tensor in side] for side in _factors(terms))
    return sum(a[1:], a[0]), sum(b[1:], b[0])


def _ties(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    a, b = ([_largest(tensor, options) for tensor in side] for side in _signed(terms))
    return _elect(a, terms), _elect(b, terms)


def _dare_linear(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    a, b = ([_drop(tensor, options, generator) for tensor in side] for side in _factors(terms))
    return sum(a[1:], a[0]), sum(b[1:], b[0])


def _dare_ties(terms: list[Term], options: Options, generator: "torch.Generator") -> Pair:
    a, b = ([_drop(tensor, options, generator) for tensor in side] for side in _signed(terms))
    return _elect(a, terms), _elect(b, terms)


def _signed(terms: list[Term]) -> "tuple[list[torch.Tensor], list[torch.Tensor]]":
    """The matrices, a negative weight's minus already on a."""
    return [term.layer.a.float() * (-1 if term.factor < 0 else 1) for term in terms], [
        term.layer.b.float() for term in terms
    ]


def _factors(terms: list[Term]) -> "tuple[list[torch.Tensor], list[torch.Tensor]]":
    """The matrices, each with the root of what their product counts with."""
    a, b = _signed(terms)
    roots = [abs(term.factor) ** 0.5 for term in terms]
    return [x * root for x, root in zip(a, roots, strict=True)], [x * root for x, root in zip(b, roots, strict=True)]


def _largest(tensor: "torch.Tensor", options: Options) -> "torch.Tensor":
    """Only the values of the largest size; the others are 0."""
    from peft.utils.merge_utils import magnitude_based_pruning

    density = _density(options)
    return tensor if density == 1 else magnitude_based_pruning(tensor, density)


def _drop(tensor: "torch.Tensor", options: Options, generator: "torch.Generator") -> "torch.Tensor":
    """Values drawn at random, made larger to make up for those that are gone (DARE, https://arxiv.org/abs/2311.03099)."""
    import torch

    density = _density(options)
    return tensor * torch.bernoulli(torch.full_like(tensor, density), generator=generator) / density


def _elect(tensors: "list[torch.Tensor]", terms: list[Term]) -> "torch.Tensor":
    """Per place the mean of those that have the majority's sign (TIES, https://arxiv.org/abs/2306.01708)."""
    import torch
    from peft.utils.merge_utils import calculate_majority_sign_mask, disjoint_merge

    stacked = torch.stack(tensors)
    mask = calculate_majority_sign_mask(stacked, method="total")
    roots = torch.tensor([abs(term.factor) ** 0.5 for term in terms]).reshape(-1, *[1] * (stacked.dim() - 1))
    return disjoint_merge(stacked * roots, mask)


def _density(options: Options) -> float:
    return DENSITY if options.density is None else options.density


METHODS: dict[str, Method] = {
    "cat": Method(
        _cat,
        "Exact: does what the adapters do together. The ranks add up.",
        exact=True,
        equal_ranks=False,
    ),
    "svd": Method(
        _svd,
        "Approximate by nature unless the rank is full: the strongest directions of the exact sum stay.",
        equal_ranks=False,
        takes=("rank",),
    ),
    "linear": Method(
        _linear,
        "Approximate by nature: adds the matrices before they are multiplied, so that every adapter is mixed with every other.",
    ),
    "ties": Method(
        _ties,
        "Approximate by nature: small values go, and where adapters disagree the minority is left out.",
        takes=("density",),
    ),
    "dare_linear": Method(
        _dare_linear,
        "Approximate by nature: values are dropped at random and the rest made larger, then added as linear does.",
        takes=("density", "seed"),
    ),
    "dare_ties": Method(
        _dare_ties,
        "Approximate by nature: values are dropped at random and the rest made larger, then merged as ties does.",
        takes=("density", "seed"),
    ),
    "magnitude_prune": Method(
        _magnitude_prune,
        "Approximate by nature: only the largest values stay, then added as linear does.",
        takes=("density",),
    ),
}
