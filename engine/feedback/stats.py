"""Counting judgements, and how far people agree.

Works on rows that were read before; nothing here opens the database or changes a row.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from engine.feedback.schema import Feedback


@dataclass
class Tally:
    """How many judgements, and how many of them are verdicts of either kind."""

    rows: int = 0
    good: int = 0
    bad: int = 0

    @property
    def good_share(self) -> float | None:
        """Good among good and bad, from 0 to 1; None without any verdict."""
        judged = self.good + self.bad
        return self.good / judged if judged else None

    def add(self, row: Feedback) -> None:
        """Count one more."""
        self.rows += 1
        self.good += row.verdict == "good"
        self.bad += row.verdict == "bad"


@dataclass(frozen=True)
class Summary:
    """Tallies of the same rows from several sides."""

    total: Tally
    kinds: dict[str, int]
    days: dict[str, Tally]
    """By the UTC day of creation, `2026-11-30`, oldest first; days without a row are not there."""
    annotators: dict[str, Tally]
    adapters: dict[str, Tally]
    """A comparison counts for both its adapters; "" is the base model without one."""


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha: 1 is full agreement, 0 what chance would give, below 0 worse than chance."""

    alpha: float | None
    """None where it is undefined: no reply was judged by two people, or all their judgements are the same value."""
    replies: int
    """Replies that at least two people judged; the others say nothing about agreement."""
    annotators: int
    """People who judged any of these."""


def summarise(rows: Iterable[Feedback]) -> Summary:
    """Count the rows over time, by person and by adapter."""
    summary = Summary(Tally(), {}, {}, {}, {})
    kinds: Counter[str] = Counter()
    for row in sorted(rows, key=attrgetter("created")):
        kinds[row.kind] += 1
        summary.total.add(row)
        summary.days.setdefault(row.created.date().isoformat(), Tally()).add(row)
        summary.annotators.setdefault(row.annotator, Tally()).add(row)
        for adapter in {row.adapter or ""} | ({row.adapter_b or ""} if row.reply_b else set()):
            summary.adapters.setdefault(adapter, Tally()).add(row)
    summary.kinds.update(kinds)
    return summary


def agreement(rows: Iterable[Feedback], field: Literal["verdict", "rating"]) -> Agreement:
    """How far people agree about the same replies to the same prompts.

    Verdicts are compared as categories (nominal alpha), ratings by their squared distance (interval alpha). Of several
    judgements of the same reply by one person, the last counts.
    """
    judged: dict[tuple[str, str], dict[str, str | int]] = {}
    for row in sorted(rows, key=attrgetter("updated")):
        if (value := getattr(row, field)) is not None:
            judged.setdefault((row.prompt_key, row.reply), {})[row.annotator] = value
    shared = [people for people in judged.values() if len(people) > 1]
    triples = [(person, reply, value) for reply, people in enumerate(shared) for person, value in people.items()]
    return Agreement(_alpha(triples, field), len(shared), len({person for person, _, _ in triples}))


def _alpha(triples: list[tuple[str, int, str | int]], field: Literal["verdict", "rating"]) -> float | None:
    if len({value for _, _, value in triples}) < 2:
        return None  # no disagreement was possible; nltk says 1, which would read as proof
    from nltk.metrics.agreement import AnnotationTask
    from nltk.metrics.distance import binary_distance, interval_distance

    return AnnotationTask(triples, interval_distance if field == "rating" else binary_distance).alpha()
