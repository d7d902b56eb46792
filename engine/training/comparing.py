"""What is compared between runs, as plain data: names, settings that differ, final figures, the last common samples."""

from collections.abc import Sequence
from typing import Any

from engine.adapters.store import read_adapter
from engine.errors import BadInput
from engine.runs import Run, Status
from engine.runs.samples import sample_steps

_ABSENT = "–"


def names(runs: Sequence[Run]) -> list[str]:
    """What each run is called: its adapter, and where two would be called alike, the end of its id too."""
    adapters = [run.status().adapter or run.id for run in runs]
    return [
        name if adapters.count(name) == 1 else f"{name} ({run.id[-4:]})"
        for name, run in zip(adapters, runs, strict=True)
    ]


def differing(specs: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """The settings that are not the same in all specs: setting → its value in each, as text. Not the adapter's name."""
    settings = dict.fromkeys(name for spec in specs for name in spec if name != "adapter")
    values = {name: [_text(spec.get(name)) for spec in specs] for name in settings}
    return {name: found for name, found in values.items() if len({*found}) > 1}


def metrics(run: Run, status: Status) -> dict[str, float]:
    """The numbers on the card of the adapter that this very run made."""
    if not status.adapter:
        return {}
    try:
        card = read_adapter(status.adapter).card
    except BadInput:  # not made yet, or deleted
        return {}
    numbers = {name: value for name, value in card.metrics.items() if type(value) in (int, float)}
    return numbers if card.run == run.id else {}


def seconds(status: Status) -> float | None:
    """How long the run has worked, from the start of its newest process."""
    end = status.ended or status.updated
    return end - status.started if status.started and end else None


def last_common_step(runs: Sequence[Run]) -> int | None:
    """The newest step at which all of them have sample answers."""
    common = set.intersection(*(set(sample_steps(run)) for run in runs)) if runs else set()
    return max(common, default=None)


def _text(value: Any) -> str:
    if value is None:
        return _ABSENT
    return f"{value:g}" if isinstance(value, float) else str(value)
