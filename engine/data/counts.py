"""What a preparation counts, shard by shard: rows and tokens kept, rows dropped and why, lengths."""

from collections import Counter
from typing import Any

from pydantic import BaseModel

EXAMPLES = 3
"""Rows named for each reason."""


class Counts(BaseModel):
    """Of one shard, or of several added up. See `Prepared` for the fields."""

    tokens: int = 0
    trained_tokens: int = 0
    truncated: int = 0
    train_rows: int = 0
    eval_rows: int = 0
    dropped: Counter[str] = Counter()
    examples: dict[str, list[int]] = {}
    lengths: list[int] = []
    problem: tuple[str, dict[str, str]] | None = None
    """What the chat template said of the first row it refused: a sentence and what fills its gaps."""

    @property
    def rows(self) -> int:
        """All that were looked at."""
        return self.train_rows + self.eval_rows + self.dropped.total()

    def drop(self, reason: str, row: int) -> None:
        """Count a row (its number from 0) that is left out."""
        self.dropped[reason] += 1
        self._remember(reason, [row + 1])

    def measure(self, lengths: list[int], step: int) -> None:
        """Make the histogram of these lengths."""
        bars = Counter(max(0, length - 1) // step for length in lengths)
        self.lengths = [bars[bar] for bar in range(max(bars, default=-1) + 1)]

    def add(self, other: "Counts") -> None:
        """Add what another shard counted."""
        self.tokens += other.tokens
        self.trained_tokens += other.trained_tokens
        self.truncated += other.truncated
        self.train_rows += other.train_rows
        self.eval_rows += other.eval_rows
        self.dropped.update(other.dropped)
        self.problem = self.problem or other.problem
        for reason, rows in other.examples.items():
            self._remember(reason, rows)
        longest = max(len(self.lengths), len(other.lengths))
        ours, theirs = (bars + [0] * (longest - len(bars)) for bars in (self.lengths, other.lengths))
        self.lengths = [one + more for one, more in zip(ours, theirs, strict=True)]

    def summary(self) -> dict[str, Any]:
        """For a card."""
        return {"rows_kept": self.train_rows + self.eval_rows, **self.model_dump(exclude={"problem"})}

    def _remember(self, reason: str, rows: list[int]) -> None:
        known = self.examples.setdefault(reason, [])
        known += rows[: EXAMPLES - len(known)]
