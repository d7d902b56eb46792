"""Shares with their uncertainty: how often one side won, and between which values the truth lies.

Pure arithmetic on numbers at hand; reads and writes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054
"""Quantile of the normal distribution for a 95 % interval."""


@dataclass(frozen=True)
class WinRate:
    """How often the first of two sides won; a tie counts half for each."""

    wins: int
    ties: int
    losses: int
    rate: float
    """0 to 1."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""

    @property
    def total(self) -> int:
        """Comparisons in all."""
        return self.wins + self.ties + self.losses


def wilson(successes: float, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): sensible for few observations and for shares near 0 and 1.

    Args:
        successes: may be a half, where ties count half.
        total: observations; 0 gives the whole range.
    """
    if not total:
        return 0.0, 1.0
    share, weight = successes / total, Z * Z / total
    centre = share + weight / 2
    half = Z * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, (centre - half) / (1 + weight)), min(1.0, (centre + half) / (1 + weight))


def win_rate(outcomes: Sequence[float]) -> WinRate | None:
    """The win rate of comparisons.

    Args:
        outcomes: 1 for a win, 0.5 for a tie, 0 for a loss.

    Returns:
        None without any.
    """
    if not outcomes:
        return None
    wins, losses = sum(each == 1 for each in outcomes), sum(each == 0 for each in outcomes)
    low, high = wilson(sum(outcomes), len(outcomes))
    return WinRate(wins, len(outcomes) - wins - losses, losses, sum(outcomes) / len(outcomes), low, high)


def length_controlled(outcomes: Sequence[float], longer: Sequence[float]) -> float | None:
    """The win rate if both sides' replies were equally long.

    A logistic regression of the outcome on the difference of lengths, read off where the difference is 0, as
    length-controlled AlpacaEval does it (https://arxiv.org/abs/2404.04475), without its terms for models and prompts.

    Args:
        outcomes: see `win_rate`.
        longer: how much longer the first side's reply was, in any unit.

    Returns:
        0 to 1; None without any outcome.
    """
    if not outcomes:
        return None
    scale = math.sqrt(sum(each * each for each in longer) / len(longer)) or 1.0
    slopes = [math.tanh(each / scale) for each in longer]
    bias, slope = 0.0, 0.0
    for _ in range(50):  # Newton's method; a weak prior (0.1) keeps separable data finite
        gradient_b, gradient_s, bb, bs, ss = -0.1 * bias, -0.1 * slope, 0.1, 0.0, 0.1
        for outcome, x in zip(outcomes, slopes, strict=True):
            p = 1 / (1 + math.exp(-(bias + slope * x)))
            gradient_b += outcome - p
            gradient_s += (outcome - p) * x
            w = p * (1 - p)
            bb, bs, ss = bb + w, bs + w * x, ss + w * x * x
        determinant = bb * ss - bs * bs
        bias += (ss * gradient_b - bs * gradient_s) / determinant
        slope += (bb * gradient_s - bs * gradient_b) / determinant
    return 1 / (1 + math.exp(-bias))
