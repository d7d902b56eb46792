"""The results of a run on disk: `results.jsonl` in the run directory, one row a line, appended as they come, in any order.

A row that is asked again gets another line, and its last line counts. What a kill cut off the last line is repaired.
"""

import os
import threading
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from engine.batch.source import Source, read_source
from engine.batch.tables import Row
from engine.runs import Run

_LOOKING = threading.Lock()
_OPEN, _DONE, _MARKED, _FAILED = range(4)


@dataclass(frozen=True)
class Result:
    """What became of one row."""

    row: int
    """Its number, from 1."""
    replies: dict[str, str] = field(default_factory=dict)
    """By column: `reply`, and in a comparison `reply_b`."""
    reason: str | None = None
    """Why the row failed: an English sentence with gaps, the key of its translation; None if it did not."""
    reason_values: dict[str, str] = field(default_factory=dict)
    """What fills the gaps."""
    said: dict[str, str] = field(default_factory=dict)
    """By column: what the model said last where JSON was wanted and did not come."""
    marks: list[str] = field(default_factory=list)
    """`length`: a reply was cut by the limit; `repeats`: it went round in circles until then."""
    tokens: int = 0
    """Tokens of its replies."""
    attempts: int = 1
    """How often the row was asked; more than once where a reply was no JSON."""

    @property
    def failed(self) -> bool:
        """Whether a reply is missing."""
        return self.reason is not None

    @property
    def why(self) -> str | None:
        """The reason in English, its gaps filled."""
        return self.reason.format(**self.reason_values) if self.reason and self.reason_values else self.reason


@dataclass(frozen=True)
class Counts:
    """How far a run is."""

    rows: int = 0
    """In the file; 0 while they are being counted."""
    done: int = 0
    """Rows with a reply."""
    failed: int = 0
    marked: int = 0
    """Rows with a reply that has a mark."""
    rows_per_second: float = 0.0
    """Over the time in which rows were asked, all starts of the run taken together."""
    tokens_per_second: float = 0.0
    """Of replies; likewise."""
    seconds: float = 0.0
    """That time."""
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """By column of replies, once the run has finished: `exact_match`, `bleu`, `rouge_1`, `rouge_2`, `rouge_l` (0 to 100)
    if there is a reference, `reward` (a mean) if there is a judge; of a judged comparison also the `win_rate` of
    `reply_b` (0 to 100, a tie counts half)."""
    judged: int = 0
    """Rows that the judge has seen."""

    @property
    def left(self) -> int:
        """Rows not asked yet."""
        return self.rows - self.done - self.failed


class Index:
    """Where the last line of each row is, and what became of it: ten bytes a row.

    Args:
        run: the run.
        rows: in its file.
    """

    def __init__(self, run: Run, rows: int):
        self._path = results_file(run)
        self._places = array("q", [-1]) * (rows + 1)
        self._states = bytearray(rows + 1)
        self.asked_before: dict[int, int] = {}
        """Of rows to be asked again: how often they were asked."""
        self.tokens = 0
        self._end = 0  # of what is read
        self.read_on()

    def __contains__(self, row: int) -> bool:
        return self._states[row] != _OPEN

    def read_on(self) -> None:
        """Take in the lines that were appended since."""
        for place, line in _lines(self._path, self._end):
            self._note(place, from_json(line))
            self._end = place + len(line)

    @property
    def done(self) -> int:
        """Rows with a reply."""
        return self._states.count(_DONE) + self._states.count(_MARKED)

    @property
    def failed(self) -> int:
        """Rows without."""
        return self._states.count(_FAILED)

    @property
    def marked(self) -> int:
        """Rows with a mark."""
        return self._states.count(_MARKED)

    def rows(self, failed: bool = True, marked: bool = True, done: bool = True) -> Iterator[int]:
        """The numbers of rows with a result of these kinds, in order."""
        wanted = {state for state, is_ in ((_FAILED, failed), (_MARKED, marked), (_DONE, done)) if is_}
        return (row for row, state in enumerate(self._states) if state in wanted)

    def read(self, rows: Iterator[int]) -> Iterator[Result]:
        """The results of rows."""
        with self._path.open("rb") as file:
            for row in rows:
                file.seek(self._places[row])
                yield Result(**from_json(file.readline()))

    def _note(self, place: int, line: dict[str, Any]) -> None:
        row = line["row"]
        if (asked := line.get("again")) is not None:
            self._states[row] = _OPEN
            self.asked_before[row] = asked
            return
        self._states[row] = _FAILED if line["reason"] is not None else _MARKED if line["marks"] else _DONE
        self._places[row] = place
        self.tokens += line["tokens"]


class Appender:
    """Takes results as they come. A line is in the file before `append` returns, so that killing the process loses none.

    Args:
        run: whose results; a torn last line of them is cut off first.
    """

    def __init__(self, run: Run):
        _repair(results_file(run))
        self._file = os.open(results_file(run), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __enter__(self) -> "Appender":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def append(self, result: Result) -> None:
        """Write a result down."""
        self._write(vars(result))

    def ask_again(self, row: int, asked: int) -> None:
        """Write down that a row, asked so often, is to be asked again."""
        self._write({"row": row, "again": asked})

    def _write(self, line: dict[str, Any]) -> None:
        data = to_json(line) + b"\n"
        while data:  # a signal or a full disk may cut a write
            data = data[os.write(self._file, data) :]


def results_file(run: Run) -> Path:
    """Where they lie."""
    return run.path / "results.jsonl"


def results(run: Run) -> Counts:
    """How far a run is, as its process wrote it last, at most half a second ago."""
    return Counts(**{name: value for name, value in run.status().result.items() if name in Counts.__dataclass_fields__})


def problems(run: Run, start: int = 0, limit: int = 100, marked: bool = True) -> list[Result]:
    """Rows that failed, or (`marked`) have a mark, in the order of the file.

    Args:
        run: the run.
        start: how many of them to pass over.
        limit: how many at most.
        marked: whether rows with a reply that has a mark are among them.
    """
    rows = results(run).rows
    if not rows:
        return []
    index = _index(run, rows)
    return list(index.read(islice(index.rows(marked=marked, done=False), start, start + limit)))


def first_results(run: Run, start: int = 0, limit: int = 20) -> list[tuple[Row, Result]]:
    """Some of the rows that are done or failed so far, in the order of the file, each with its row of the input.

    Raises:
        BadInput: the input has changed or gone since.
    """
    rows = results(run).rows
    if not rows:
        return []
    index = _index(run, rows)
    found = {result.row: result for result in index.read(islice(index.rows(), start, start + limit))}
    last = max(found, default=0)
    return [(row, found[number]) for number, row in islice(read_source(run).read(), last) if number in found]


def in_order(run: Run, source: Source) -> Iterator[tuple[Row, Result | None]]:
    """All rows of the input, each with its result; None where there is none yet."""
    index = Index(run, source.rows)
    found = index.read(index.rows())
    for number, row in islice(source.read(), source.rows):
        yield row, next(found) if number in index else None


@lru_cache(maxsize=4)
def _kept(run: Run, rows: int) -> Index:
    return Index(run, rows)


def _index(run: Run, rows: int) -> Index:
    """The index of a run that is looked at every few seconds: only what is new is read."""
    with _LOOKING:
        index = _kept(run, rows)
        index.read_on()
        return index


def _lines(path: Path, place: int = 0) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a file from a place on, and where each begins."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(place)
        for line in file:
            if line.endswith(b"\n"):
                yield place, line
            place += len(line)


def _repair(path: Path) -> None:
    """Cut off a last line that does not end."""
    if not path.exists():
        return
    whole = 0
    for place, line in _lines(path):
        whole = place + len(line)
    if whole < path.stat().st_size:
        os.truncate(path, whole)
