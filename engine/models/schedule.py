"""Who is decoded next: people at a screen before work in the background, neither waiting for ever. Computes nothing."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.adapters.store import Adapter
from engine.models.request import Messages, Priority, ReplyStream, Sampling

if TYPE_CHECKING:
    from engine.models.generation import Generation

PATIENCE = 10.0
"""Seconds after which work in the background goes first once."""


@dataclass(eq=False)
class Job:
    """One request on its way through the owner of a model."""

    messages: Messages
    sampling: Sampling
    adapter: Adapter | None
    priority: Priority = "interactive"
    stream: ReplyStream = field(default_factory=ReplyStream)
    arrived: float = field(default_factory=time.monotonic)
    generation: "Generation" = field(init=False)
    """From when its prompt is in tokens."""
    slot: str | None = None
    """That its adapter goes into."""

    @property
    def most_tokens(self) -> int:
        """What it may come to, prompt and reply."""
        return self.generation.prompt_tokens + self.generation.limit


@dataclass
class Schedule:
    """Jobs that wait, and the rule by which they come in.

    Work in the background takes at most `rows`; a few more are kept for people at a screen.
    """

    rows: int
    """Requests decoded at once."""
    tokens: int | None
    """That the cache may hold, counted as rows times the longest of them; None if it is not shared."""
    continuous: bool = True
    """Whether a row is filled as soon as it is free; else all of them once the last is, with jobs of like length."""
    clock: Callable[[], float] = time.monotonic
    _waiting: dict[Priority, deque[Job]] = field(default_factory=lambda: {"interactive": deque(), "batch": deque()})
    _batch_came_in: float = 0.0
    _open: bool = True

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def add(self, job: Job) -> None:
        """Queue a job."""
        self._waiting[job.priority].append(job)

    def take_cancelled(self) -> list[Job]:
        """Those that nobody wants any more."""
        gone = [job for queue in self._waiting.values() for job in queue if job.stream.cancelled]
        for job in gone:
            self._waiting[job.priority].remove(job)
        return gone

    def take_all(self) -> list[Job]:
        """All that wait."""
        jobs = [job for queue in self._waiting.values() for job in queue]
        for queue in self._waiting.values():
            queue.clear()
        return jobs

    def next(self, running: list[Job], may_begin: Callable[[Job], bool]) -> Job | None:
        """The job that comes in now, if any.

        Args:
            running: those that are in.
            may_begin: whether there is room for its adapter.
        """
        if not running:
            self._open = True
            if not self.continuous:
                self._waiting["batch"] = deque(sorted(self._waiting["batch"], key=lambda job: job.most_tokens))
        for priority in self._order():
            for job in self._waiting[priority]:
                if not self._has_row(job, running):
                    break
                if not self._has_memory(job, running):
                    return None  # nobody overtakes who needs more memory, or it would never come in
                if may_begin(job):
                    self._waiting[priority].remove(job)
                    if priority == "batch":
                        self._batch_came_in = self.clock()
                    return job
        self._open = False
        return None

    def _order(self) -> tuple[Priority, ...]:
        if not (self.continuous or self._open):
            return ("interactive",)
        first = next(iter(self._waiting["batch"]), None)
        return ("batch", "interactive") if first and self._is_overdue(first) else ("interactive", "batch")

    def _is_overdue(self, job: Job) -> bool:
        return job.priority == "batch" and self.clock() - max(job.arrived, self._batch_came_in) > PATIENCE

    def _has_row(self, job: Job, running: list[Job]) -> bool:
        kept = 0 if job.priority == "batch" and not self._is_overdue(job) else max(1, self.rows // 4)
        return len(running) < self.rows + kept

    def _has_memory(self, job: Job, running: list[Job]) -> bool:
        longest = max(other.most_tokens for other in [*running, job])
        return self.tokens is None or (len(running) + 1) * longest <= self.tokens
