"""How long a training on prepared data would take: steps by arithmetic, time by what this machine did before.

Never guesses a speed: with no earlier run of the same model there is no time.
"""

import math
from dataclasses import dataclass

from engine.data.prepared import Prepared
from engine.runs import list_runs


@dataclass(frozen=True)
class Estimate:
    """Of one training."""

    steps: int
    """Optimizer steps."""
    seconds: float | None
    """None where no earlier run tells the speed."""


def estimate(prepared: Prepared, batch_size: int, grad_accum: int = 1, epochs: float = 1.0) -> Estimate:
    """Steps and seconds of a training; arguments as in `SftSpec`."""
    steps = math.ceil(math.ceil(prepared.train_rows / (batch_size * grad_accum)) * epochs)
    speed = tokens_per_second(prepared.model)
    tokens = prepared.tokens * prepared.train_rows / max(1, prepared.rows_kept)
    return Estimate(steps, tokens * epochs / speed if speed else None)


def tokens_per_second(model: str) -> float | None:
    """Of the newest run that trained this model here; None if there is none."""
    for run in list_runs():
        if run.kind != "sft":
            continue
        try:
            if run.spec().get("model") != model:
                continue
            measured = [event["tokens_per_second"] for event in run.events() if event.get("tokens_per_second")]
        except (OSError, ValueError):  # a damaged run directory tells nothing
            continue
        if measured:
            return sum(measured) / len(measured)
    return None
