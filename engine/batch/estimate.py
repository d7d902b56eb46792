"""What a batch will take, from its first rows, the replies that were tried and the pace of the last batch. Asks no model."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from engine.batch import tables
from engine.batch.prompts import Asking, Messages
from engine.batch.results import results
from engine.batch.source import spec_of
from engine.batch.spec import BatchSpec
from engine.errors import BadInput
from engine.models.catalog import resolve
from engine.models.request import Reply
from engine.runs import list_runs

_LOOKED_AT = 100
"""Rows whose prompts are counted; the others are taken to be like them."""
_NEWEST = 200


@dataclass(frozen=True)
class Estimate:
    """What a batch will take; all figures are for both sides of a comparison together."""

    rows: int
    prompt_tokens: int
    """About: those of the first rows, as often as there are rows."""
    reply_tokens: int
    """At most."""
    seconds: float | None
    """About; None while no reply was tried, for nobody knows how long replies are."""


def estimate(spec: BatchSpec, tokens_of: Callable[[Messages], int], tried: list[Reply]) -> Estimate:
    """Look through the file, and reckon.

    Args:
        spec: a batch that could be started.
        tokens_of: how long a prompt is.
        tried: replies to some of its rows with these very settings.

    Raises:
        BadInput: the file cannot be read, or the template does not fit it.
    """
    rows = sum(1 for _ in tables.read_rows(spec.file))
    asks, sides = rows * len(spec.sides), len(spec.sides)
    lengths = _lengths(spec, tokens_of)
    mean = sum(lengths) / max(1, len(lengths))
    seconds = None
    if tried:
        tokens = sum(reply.tokens for reply in tried)
        pace = _last_pace(spec) or tokens / max(1e-3, max(reply.seconds for reply in tried))
        seconds = asks * tokens / len(tried) / max(1e-3, pace)
    return Estimate(rows, round(rows * sides * mean), asks * spec.max_new_tokens, seconds)


def _lengths(spec: BatchSpec, tokens_of: Callable[[Messages], int]) -> list[int]:
    asking, lengths = Asking(spec), []
    for row in islice(tables.read_rows(spec.file), _LOOKED_AT):
        try:
            lengths.append(tokens_of(asking.messages(row)))
        except BadInput:  # a row that cannot be asked takes no time
            lengths.append(0)
    return lengths


def _last_pace(spec: BatchSpec) -> float | None:
    """Tokens a second of the newest batch that the same model answered."""
    model = resolve(spec.model).name
    for run in list_runs()[:_NEWEST]:
        if run.kind != "batch" or resolve(spec_of(run).model).name != model:
            continue
        if pace := results(run).tokens_per_second:
            return pace
    return None
