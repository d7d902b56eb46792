"""Refuses what would be merged without an error and be wrong: other bases, other kinds, shapes and ranks that do not fit."""

import math
from collections.abc import Iterator

from engine.adapters.lora import Lora
from engine.adapters.merging.methods import METHODS, Options
from engine.adapters.store import Adapter
from engine.errors import BadInput


def check_options(method: str, options: Options) -> None:
    """Refuse options that the method has no use for, or that make no sense.

    Raises:
        BadInput: there is no such method, or it takes no such option.
    """
    if method not in METHODS:
        raise BadInput(
            "There is no method “{method}”: choose one of {methods}.", method=method, methods=", ".join(METHODS)
        )
    for name, value in vars(options).items():
        if value is not None and name not in METHODS[method].takes:
            raise BadInput("The method {method} takes no {option}: leave it out.", method=method, option=name)
    if options.rank is not None and options.rank < 1:
        raise BadInput("The rank must be at least 1.")
    if options.density is not None and not 0 < options.density <= 1:
        raise BadInput("The density is the share of values that stay: more than 0, at most 1.")


def check_weights(weighted: list[tuple[str, float]]) -> None:
    """Refuse weights that are none.

    Raises:
        BadInput: an adapter is named twice, or a weight is 0 or no number.
    """
    if not weighted:
        raise BadInput("Name the adapters to merge, each with its weight, as NAME:WEIGHT.")
    names = [name for name, _ in weighted]
    for name, weight in weighted:
        if names.count(name) > 1:
            raise BadInput("“{name}” is named twice: give it one weight.", name=name)
        if not math.isfinite(weight) or weight == 0:
            raise BadInput("The weight of “{name}” must be a number other than 0: leave it out instead.", name=name)


def refuse_strangers(adapters: list[Adapter]) -> None:
    """Refuse adapters of another kind or base than the first.

    Raises:
        BadInput: one is.
    """
    first = adapters[0]
    for other in adapters[1:]:
        if other.card.kind != first.card.kind:
            raise BadInput(
                "“{a}” is of kind {kind_a} and “{b}” of kind {kind_b}: only adapters of one kind can be merged.",
                a=first.name,
                kind_a=first.card.kind,
                b=other.name,
                kind_b=other.card.kind,
            )
        if not _same_base(first, other):
            raise BadInput(
                "“{a}” was made for {base_a} and “{b}” for {base_b}: only adapters of one base model can be merged.",
                a=first.name,
                base_a=_base(first),
                b=other.name,
                base_b=_base(other),
            )


def refuse_misfits(adapters: list[Adapter], loras: list[Lora], method: str) -> None:
    """Refuse layers whose shapes, or for most methods whose ranks, differ.

    Raises:
        BadInput: some do; adapters with such shapes were made for different models.
    """
    seen: dict[tuple[str, str], tuple[Adapter, tuple[int, ...], int]] = {}
    for adapter, part, path, shape, rank in _layers(adapters, loras):
        first, its_shape, its_rank = seen.setdefault((part, path), (adapter, shape, rank))
        if its_shape != shape:
            raise BadInput(
                "“{layer}” has other sizes in “{a}” than in “{b}”: they were made for different models.",
                layer=path,
                a=first.name,
                b=adapter.name,
            )
        if METHODS[method].equal_ranks and its_rank != rank:
            raise BadInput(
                "{method} needs equal ranks, and “{layer}” has rank {rank_a} in “{a}” and {rank_b} in “{b}”: use cat or svd.",
                method=method,
                layer=path,
                rank_a=its_rank,
                a=first.name,
                rank_b=rank,
                b=adapter.name,
            )


def _layers(adapters: list[Adapter], loras: list[Lora]) -> Iterator[tuple[Adapter, str, str, tuple[int, ...], int]]:
    for adapter, lora in zip(adapters, loras, strict=True):
        for part, layers in lora.items():
            for path, layer in layers.items():
                yield adapter, part, path, (layer.b.shape[0], *layer.a.shape[1:]), layer.rank


def _same_base(a: Adapter, b: Adapter) -> bool:
    """By family for pictures (a LoRA fits every fine-tune of its family), else by name or fingerprint; unknown is another."""
    if a.card.kind == "image" and (a.card.family or b.card.family) not in (None, "other"):
        return a.card.family == b.card.family
    fingerprint = a.card.base_fingerprint
    by_weights = fingerprint is not None and fingerprint == b.card.base_fingerprint
    return by_weights or (bool(a.card.base_model) and a.card.base_model == b.card.base_model)


def _base(adapter: Adapter) -> str:
    return adapter.card.base_model or adapter.card.family or "an unknown model"
