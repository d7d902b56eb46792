"""How far a reward model can be trusted: its margins on pairs kept aside, and whether it is right as often as it is sure.

A pair's margin is the chosen reply's reward less the rejected one's; by the Bradley-Terry model a margin m says that the
chosen reply is preferred with probability 1 / (1 + exp(-m)).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.files import read_json, write_json
from engine.runs import Run
from engine.training.preference_data import Row

FILE = "margins.json"
BINS = 5


@dataclass(frozen=True)
class Bin:
    """Pairs of which the model is about equally sure."""

    confidence: float
    """Mean probability that it gives to the reply it prefers, 0.5 to 1."""
    accuracy: float
    """Share of them in which people preferred the same reply."""
    pairs: int


def measure(run: Run, adapter: str, rows: list[Row]) -> None:
    """Score the pairs that a run kept aside, into its directory.

    Args:
        run: the run.
        adapter: the reward adapter that it made.
        rows: the pairs.
    """
    from engine.models.reward import RewardModel

    answers = [(row["prompt"], row[side][0]["content"]) for row in rows for side in ("chosen", "rejected")]
    rewards = RewardModel(adapter).score(answers)
    write_json(
        run.path / FILE, [chosen - rejected for chosen, rejected in zip(rewards[::2], rewards[1::2], strict=True)]
    )


def read_margins(run: Run) -> list[float]:
    """The margins of a run; none while there are none."""
    try:
        return read_json(run.path / FILE)
    except FileNotFoundError:
        return []


def reliability(margins: Sequence[float], bins: int = BINS) -> list[Bin]:
    """The pairs by how sure the model is, in bins of equal width from 0.5 to 1; empty ones are left out (Guo et al. 2017)."""
    inside: dict[int, list[float]] = {}
    for margin in margins:
        confidence = _sigmoid(abs(margin))
        inside.setdefault(min(bins - 1, int((confidence - 0.5) * 2 * bins)), []).append(margin)
    return [
        Bin(
            sum(_sigmoid(abs(margin)) for margin in part) / len(part),
            sum(margin > 0 for margin in part) / len(part),
            len(part),
        )
        for _, part in sorted(inside.items())
    ]


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
