"""Which step of the loop is worth taking next: chat, rate, make a dataset, train, compare, use what was taught.

Decides from counts alone; whoever asks gathers them, and says what the step means in the reader's language.
"""

from dataclasses import dataclass
from typing import Literal

Step = Literal["begin", "watch", "train", "compare", "dataset", "chat", "rate", "use"]

ENOUGH = 20
"""Judgements that are worth a dataset of their own."""


@dataclass(frozen=True)
class Counts:
    """What there is so far."""

    conversations: int = 0
    """Of the person who asks; everything else is everybody's."""
    feedback: int = 0
    new_feedback: int = 0
    """Given since a dataset was last made of judgements."""
    datasets: int = 0
    untrained_datasets: int = 0
    """Made since the newest chat adapter was."""
    adapters: int = 0
    newest_compared: int = 0
    """Comparisons in which the newest chat adapter took part."""
    active_runs: int = 0


def next_step(counts: Counts) -> Step:
    """The one step to suggest.

    What is under way comes first, then what is finished and lies unused, the latest in the loop before the earlier.
    """
    if counts == Counts():
        return "begin"
    if counts.active_runs:
        return "watch"
    if counts.untrained_datasets:
        return "train"
    if counts.adapters and not counts.newest_compared:
        return "compare"
    if counts.new_feedback >= ENOUGH:
        return "dataset"
    if not counts.conversations:
        return "chat"
    return "use" if counts.adapters else "rate"
