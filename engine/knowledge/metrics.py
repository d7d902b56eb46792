"""Figures of a search from ranks and scores: how high the right passage stands, how well a threshold tells what is absent.

Pure arithmetic on numbers at hand; reads and writes nothing, and knows no knowledge base.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from pydantic import BaseModel

DEPTH = 10
"""What stands lower than this was not found."""
MOST_POINTS = 200


class Ranking(BaseModel):
    """How high the right passages stand, a mean over questions."""

    ndcg_10: float
    """1 if the right passage always comes first, less the lower it stands, 0 if it is never among the first ten."""
    recall_1: float
    """Share of the questions whose right passage comes first."""
    recall_5: float
    recall_10: float


class Point(BaseModel):
    """What one threshold would do."""

    threshold: float
    false_refusals: float
    """Share of the answerable questions that it refuses."""
    refused: float
    """Share of the unanswerable questions that it refuses."""


def ranking(ranks: Sequence[int | None]) -> Ranking | None:
    """The figures of these ranks (from 1; None: not found); None if there are none."""
    if not ranks:
        return None
    found = [rank for rank in ranks if rank is not None and rank <= DEPTH]

    def recall(depth: int) -> float:
        return sum(rank <= depth for rank in found) / len(ranks)

    gain = sum(1 / math.log2(1 + rank) for rank in found)
    return Ranking(ndcg_10=gain / len(ranks), recall_1=recall(1), recall_5=recall(5), recall_10=recall(10))


def auroc(answerable: Sequence[float], unanswerable: Sequence[float]) -> float | None:
    """How probably an answerable question scores higher than an unanswerable one; a tie counts half. None if a side is empty."""
    if not answerable or not unanswerable:
        return None
    below = sorted(unanswerable)
    won = sum(bisect_left(below, score) + bisect_right(below, score) for score in answerable) / 2
    return won / (len(answerable) * len(below))


def threshold_for(answerable: Sequence[float], false_refusals: float) -> float | None:
    """The greatest threshold that refuses at most this share of the answerable questions; None without any.

    What scores less than the threshold is refused, what reaches it is answered.
    """
    if not answerable:
        return None
    scores = sorted(answerable)
    # the small number makes 0.05 × 60 three, whatever floating point says
    return scores[min(int(false_refusals * len(scores) + 1e-9), len(scores) - 1)]


def share_below(scores: Sequence[float], threshold: float) -> float | None:
    """The share of the scores that a threshold refuses; None without any."""
    return sum(score < threshold for score in scores) / len(scores) if scores else None


def refusal_curve(answerable: Sequence[float], unanswerable: Sequence[float]) -> list[Point]:
    """What each threshold would do, from one that refuses nothing upwards; empty if a side is empty."""
    if not answerable or not unanswerable:
        return []
    right, absent = sorted(answerable), sorted(unanswerable)
    levels = sorted({0.0, *right, *absent})
    levels = [*levels[:: max(1, len(levels) // MOST_POINTS)], math.nextafter(levels[-1], math.inf)]
    return [
        Point(
            threshold=level,
            false_refusals=bisect_left(right, level) / len(right),
            refused=bisect_left(absent, level) / len(absent),
        )
        for level in levels
    ]
