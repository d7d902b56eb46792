"""Curves of a run: its events read column by column, thinned so that runs of any length draw at once.

Knows which events a resume made void and which numbers are none; draws nothing and writes nothing.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.runs.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pyarrow

PREFERENCES = (
    *("reward", "reward_std", "eval_reward", "rewards_chosen", "rewards_rejected"),
    *("margin", "eval_margin", "accuracy", "eval_accuracy"),
    *("logps_chosen", "logps_rejected", "kl", "entropy", "length"),
)
"""What only trainings on preferences have. Divergence and entropy are in nats a token, lengths in tokens a reply."""
PICTURES = ("instance_loss", "prior_loss", "pictures_per_second")
"""What only trainings of picture models have: the loss is the sum of the first two."""
NAMES = ("loss", "eval_loss", "learning_rate", "grad_norm", "tokens_per_second", "memory", *PREFERENCES, *PICTURES)
MOST = 1000
Point = tuple[int, float]
"""Step and value."""


@dataclass(frozen=True)
class Curves:
    """The curves of one run, each in the order of its events."""

    points: dict[str, list[Point]]
    """By name, an entry for each name asked for; empty where no event has it. Memory is in bytes."""
    memory_by_rank: list[list[Point]] = field(default_factory=list)
    """Bytes of each process; empty where there is only one."""
    not_a_number: int | None = None
    """The first step whose loss is infinite or not a number."""

    def last(self, name: str) -> float | None:
        """The newest value of a curve."""
        points = self.points[name]
        return points[-1][1] if points else None


def read_curves(run: Run, names: Sequence[str] = NAMES, most: int = MOST, smooth: float = 0.0) -> Curves:
    """The curves of a run.

    Args:
        run: whose events are read.
        names: the numbers wanted; fewer are faster.
        most: points a curve keeps; its first, its last and its extremes are among them.
        smooth: share of the points of `loss`, 0 to 1: each becomes the mean of that many, itself the last of them.
            (The losses of single batches scatter; the other numbers are means already, or are to be seen as they were.)
    """
    path = run.path / "events.jsonl"
    if not path.exists():
        return Curves({name: [] for name in names})
    about = path.stat()
    return _read(path, (about.st_mtime_ns, about.st_size), tuple(names), most, smooth)


@lru_cache(maxsize=64)
def _read(path: Path, version: tuple[int, int], names: tuple[str, ...], most: int, smooth: float) -> Curves:
    """As `read_curves`; remembered, as a page is drawn anew at every click."""
    lines = path.read_bytes()
    lines = lines[: lines.rfind(b"\n") + 1]  # the last line may be half written
    columns, by_rank = _columns(lines, names)
    steps, kept = columns["step"], _not_void(columns["step"], columns["resumed"])
    bad = steps[kept & (columns["loss"] == math.inf)] if "loss" in names else []
    return Curves(
        {name: _curve(steps[kept], columns[name][kept], most, smooth if name == "loss" else 0) for name in names},
        [_curve(steps[kept], values[kept], most) for values in by_rank],
        int(bad[0]) if len(bad) else None,
    )


def thinned(values: "np.ndarray", most: int) -> "np.ndarray":
    """The places of at most `most` (4 or more) values that draw the same picture: first, last, each bucket's least and greatest.

    MinMax aggregation as in Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", PVLDB 7(10), 2014,
    with buckets of equally many values in place of columns of pixels.
    """
    import numpy as np

    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(1, len(values) - 1, max(1, (most - 2) // 2) + 1).astype(int)
    places = [0, len(values) - 1]
    for start, end in pairwise(edges):
        places += [start + values[start:end].argmin(), start + values[start:end].argmax()]
    return np.unique(places)


def moving_mean(values: "np.ndarray", window: int) -> "np.ndarray":
    """The mean of each value and those before it, `window` in all; of as many as there are at the beginning."""
    import numpy as np

    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(sums))
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _curve(steps: "np.ndarray", values: "np.ndarray", most: int, smooth: float = 0.0) -> list[Point]:
    import numpy as np

    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    window = int(len(values) * smooth)
    if window > 1:
        values = moving_mean(values, window)
    places = thinned(values, most)
    return list(zip(steps[places].astype(int).tolist(), values[places].tolist(), strict=True))


def _not_void(steps: "np.ndarray", resumed: "np.ndarray") -> "np.ndarray":
    """Which events count, by the rule of `Run.events`: after `resumed` at step n, earlier ones beyond n do not."""
    import numpy as np

    kept = np.ones(len(steps), dtype=bool)
    for place in np.flatnonzero(resumed):
        kept[:place] &= steps[:place] <= steps[place]
    return kept


def _columns(lines: bytes, names: Sequence[str]) -> tuple[dict[str, "np.ndarray"], list["np.ndarray"]]:
    """All events as arrays of one length, then memory by process. A number that is absent is NaN, one that is no number inf."""
    import pyarrow

    try:
        return _by_arrow(lines, names)
    except pyarrow.ArrowInvalid:  # a cut line, or a value of another type
        return _by_line(lines, names)


def _by_arrow(lines: bytes, names: Iterable[str]) -> tuple[dict[str, "np.ndarray"], list["np.ndarray"]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import json as pa_json

    schema = pa.schema(
        [("step", pa.float64()), ("event", pa.string()), ("memory_by_rank", pa.list_(pa.float64()))]
        + [(name, pa.float64()) for name in names]
    )
    options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = pa_json.read_json(pa.BufferReader(lines), parse_options=options) if lines else schema.empty_table()
    columns = {name: _numbers(table[name]) for name in names}
    columns["step"] = pc.fill_null(table["step"], 0).to_numpy()
    columns["resumed"] = table["event"].to_numpy() == "resumed"
    ranks = table["memory_by_rank"]
    return columns, _ranks([] if ranks.null_count == len(ranks) else ranks.to_pylist())


def _numbers(column: "pyarrow.ChunkedArray") -> "np.ndarray":
    import numpy as np

    values = column.to_numpy()
    return np.where(column.is_valid().to_numpy() & ~np.isfinite(values), math.inf, values)


def _by_line(lines: bytes, names: Iterable[str]) -> tuple[dict[str, "np.ndarray"], list["np.ndarray"]]:
    import numpy as np

    events = [event for event in map(_parsed, lines.splitlines()) if event is not None]
    columns = {name: np.array([_number(event.get(name)) for event in events], dtype=float) for name in names}
    columns["step"] = np.nan_to_num(np.array([_number(event.get("step")) for event in events], dtype=float))
    columns["resumed"] = np.array([event.get("event") == "resumed" for event in events], dtype=bool)
    return columns, _ranks([event.get("memory_by_rank") for event in events])


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:  # what a killed process left
        return None
    return event if isinstance(event, dict) else None


def _number(value: Any) -> float:
    if not isinstance(value, int | float):
        return math.nan
    return float(value) if math.isfinite(value) else math.inf


def _ranks(rows: list[Any]) -> list["np.ndarray"]:
    """One array a process."""
    import numpy as np

    lists = [row if isinstance(row, list) else [] for row in rows]
    count = max(map(len, lists), default=0)
    return [
        np.array([_number(row[rank]) if rank < len(row) else math.nan for row in lists], dtype=float)
        for rank in range(count)
    ]
