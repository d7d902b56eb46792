"""The results of a run on disk: `results.jsonl` in the run directory, one row a line, appended as they come, in any order.

A row that is asked again gets another line, and its last line counts. What a kill cut off the last line is repaired.
"""

from dataclasses import dataclass, field
from typing import Any

from engine.runs import Run


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
    marks: list[str] = field(default_factory=list)
    """`repeats`: a reply went round in circles until the limit; `length`: a reply was cut by the limit."""
    tokens: int = 0
    """Tokens of its replies, those that were asked for again included."""
    attempts: int = 1
    """How often the row was asked; more than once where a reply was no JSON."""

    @property
    def failed(self) -> bool:
        """Whether there is no reply."""
        return self.reason is not None


@dataclass(frozen=True)
class Counts:
    """How far a run is."""

    rows: int
    """In the file; 0 while they are being counted."""
    done: int
    """Rows with a reply."""
    failed: int
    marked: int
    """Rows with a reply that has a mark."""
    left: int
    """Rows not asked yet."""
    rows_per_second: float
    """Over the time that rows were asked, all starts of the run taken together."""
    scores: dict[str, dict[str, float]]
    """By column of replies, once the run has finished: `exact_match`, `bleu`, `rouge_1`, `rouge_2`, `rouge_l` (0 to 100)
    if there is a reference, `reward` (a mean) if there is a judge; of a judged comparison also `win_rate` of `reply_b`."""


def results(run: Run) -> Counts:
    """How far a run is, from its files: true for a run in progress, a killed one and a finished one."""
    raise NotImplementedError


def problems(run: Run, start: int = 0, limit: int = 100, marked: bool = True) -> list[Result]:
    """Rows that failed, or (`marked`) have a mark, in the order of the file.

    Args:
        run: the run.
        start: how many of them to pass over.
        limit: how many at most.
        marked: whether rows with a reply that has a mark are among them.
    """
    raise NotImplementedError


def first_results(run: Run, start: int = 0, limit: int = 20) -> list[tuple[dict[str, Any], Result]]:
    """Some of the rows that are done or failed so far, in the order of the file, each with its row of the input."""
    raise NotImplementedError
