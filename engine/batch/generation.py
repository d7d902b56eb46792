"""The run itself: rows go through the model's scheduler, a bounded number at a time, and results are appended as they come.

Each row has its own seeds, made of the spec's and its number, so that neither the number of rows in flight nor a resume
changes what is drawn.
"""

import contextlib
import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from engine.batch import scoring
from engine.batch.prompts import Asking, Messages
from engine.batch.replies import JsonRule, marks_of
from engine.batch.results import Appender, Counts, Index, Result
from engine.batch.source import Source, count, spec_of
from engine.batch.spec import BatchSpec
from engine.batch.tables import Row
from engine.batch.writing import failed_file, write_failed, write_results
from engine.errors import BadInput, Busy, Failure
from engine.models.host import host
from engine.models.request import Reply, ReplyStream
from engine.runs import Run

RETRY_TEMPERATURE = 0.7
"""A greedy reply that was no JSON would be the same again: a retry draws."""

_CUT = "The reply was cut at {n} tokens before its JSON was whole: allow longer replies."
_LOOK_SECONDS, _EVENT_SECONDS = 0.5, 5.0
_WAIT_SECONDS, _BUSY_SECONDS = 0.05, 0.5


def run_batch(run: Run) -> None:
    """Ask every row that has no result yet, score and judge, and write the final file.

    Args:
        run: whose spec is a `BatchSpec`; its status tells how far it is, and its result is `Counts` and the files' names.

    Raises:
        Stopped: somebody asked it to stop; what has come is kept.
        BadInput: the file cannot be read or has changed.
        Failure: the model cannot be loaded, or fails.
    """
    spec = spec_of(run)
    run.update(unit="rows")
    source = count(run, run.end_if_stopped)
    progress = _Progress(run, source)
    _Generation(spec, run, source, progress).run()
    scores = scoring.score(run, spec, source, progress.judged)
    files = _write_files(run, spec)
    progress.write(scores=scores, **files)


def _write_files(run: Run, spec: BatchSpec) -> dict[str, str | None]:
    if not spec.out:
        return {}
    write_results(run, spec.out)
    failed = failed_file(spec.out)
    if write_failed(run, failed) == 0:
        failed.unlink()
        return {"file": str(spec.out), "failed_file": None}
    return {"file": str(spec.out), "failed_file": str(failed)}


class _Progress:
    """What has become of the rows so far, written into the run's status now and then."""

    def __init__(self, run: Run, source: Source):
        index = Index(run, source.rows)
        self._run = run
        self._rows = source.rows
        self._counts = {"done": index.done, "failed": index.failed, "marked": index.marked}
        self._tokens = index.tokens
        self._seconds_before = Counts(**_known(run)).seconds
        self._began = self._looked = self._told = time.monotonic()
        self._seconds: float | None = None
        run.update(steps_at_start=index.done + index.failed, started=time.time())
        self.write()

    def add(self, result: Result) -> None:
        """Count a result."""
        self._counts["failed" if result.failed else "done"] += 1
        self._counts["marked"] += bool(result.marks) and not result.failed
        self._tokens += result.tokens

    def look(self) -> None:
        """Look for the stop flag, and write how far it is now and then.

        Raises:
            Stopped: the flag is down.
        """
        self._run.end_if_stopped()
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        self.write()
        if now - self._told > _EVENT_SECONDS:
            self._told = now
            speeds = {name: self._result()[name] for name in ("rows_per_second", "tokens_per_second")}
            self._run.add_event(step=self._finished, **speeds)

    def all_asked(self) -> None:
        """The clock stops: what follows is scoring and writing."""
        self._seconds = self._seconds_before + time.monotonic() - self._began
        self.write()

    def judged(self, rows: int) -> None:
        """So many rows have been judged."""
        self.write(judged=rows)
        self._run.end_if_stopped()

    def write(self, **more: Any) -> None:
        """Write the status."""
        result = {**self._run.status().result, **self._result(), **more}
        self._run.update(step=self._finished, max_steps=self._rows, result=result)

    @property
    def _finished(self) -> int:
        return self._counts["done"] + self._counts["failed"]

    def _result(self) -> dict[str, Any]:
        seconds = self._seconds or self._seconds_before + time.monotonic() - self._began
        speeds = {"rows_per_second": self._finished / seconds, "tokens_per_second": self._tokens / seconds}
        return {"rows": self._rows, **self._counts, **speeds, "seconds": seconds}


def _known(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.status().result.items() if name in Counts.__dataclass_fields__}


@dataclass
class _Side:
    """One of a row's replies on its way."""

    column: str
    adapter: str | None
    attempt: int
    """Counted over all askings of the row: a seed is used once."""
    last: int
    """The attempt after which a reply that is no JSON fails the row."""
    stream: ReplyStream | None = None
    """None while it has to wait because the model is busy."""
    text: str | None = None
    said: str | None = None
    """The last reply, if it was not what was asked for."""
    problem: BadInput | None = None

    @property
    def is_settled(self) -> bool:
        return self.text is not None or self.problem is not None


@dataclass
class _Asked:
    """A row in flight."""

    row: int
    messages: Messages
    sides: list[_Side]
    marks: list[str] = field(default_factory=list)
    tokens: int = 0

    @property
    def is_settled(self) -> bool:
        return all(side.is_settled for side in self.sides)

    def result(self) -> Result:
        problem = next((side.problem for side in self.sides if side.problem), None)
        return Result(
            row=self.row,
            replies={side.column: side.text for side in self.sides if side.text is not None},
            reason=problem.sentence if problem else None,
            reason_values={name: str(value) for name, value in problem.values.items()} if problem else {},
            said={side.column: side.said for side in self.sides if side.said is not None},
            marks=list(dict.fromkeys(self.marks)),
            tokens=self.tokens,
            attempts=max(side.attempt for side in self.sides) + 1,
        )


class _Generation:
    """Rows on their way through the scheduler.

    Args:
        spec: what to do.
        run: where results go.
        source: whose rows.
        progress: is told of each result.
    """

    def __init__(self, spec: BatchSpec, run: Run, source: Source, progress: _Progress):
        self._spec = spec
        self._run = run
        self._source = source
        self._progress = progress
        self._asking = Asking(spec)
        self._rule = JsonRule(spec) if spec.wants_json else None
        self._in_flight: deque[_Asked] = deque()
        self._refused_until = 0.0

    def run(self) -> None:
        """Ask all rows that have no result."""
        index = Index(self._run, self._source.rows)
        with Appender(self._run) as self._appender:
            try:
                for number, row in self._source.read():
                    self._progress.look()
                    if number in index:
                        continue
                    while len(self._in_flight) >= self._spec.width:
                        self._collect()
                    self._ask(number, row, index.asked_before.get(number, 0))
                while self._in_flight:
                    self._collect()
            finally:
                self._cancel()
                self._progress.write()
        self._progress.all_asked()

    def _ask(self, number: int, row: Row, asked_before: int) -> None:
        last = asked_before + self._spec.json_retries
        sides = [_Side(column, adapter, asked_before, last) for column, adapter in self._spec.sides.items()]
        asked = _Asked(number, [], sides)
        try:
            asked.messages = self._asking.messages(row)
        except BadInput as error:
            sides[0].problem = error
            self._settle(asked)
            return
        self._in_flight.append(asked)
        for side in sides:
            self._start(asked, side)

    def _start(self, asked: _Asked, side: _Side) -> None:
        """Give it to the scheduler, or leave it for later."""
        if time.monotonic() < self._refused_until:
            return
        sampling = self._spec.sampling.model_copy(update={"seed": seed_of(self._spec.seed, asked.row, side.attempt)})
        if side.attempt and sampling.temperature == 0:
            sampling.temperature = RETRY_TEMPERATURE
        try:
            side.stream = host().generate(asked.messages, sampling, self._spec.model, side.adapter, priority="batch")
        except Busy:
            self._refused_until = time.monotonic() + _BUSY_SECONDS

    def _collect(self) -> None:
        """Take what has ended out of flight; where nothing has, wait a moment."""
        self._progress.look()
        for asked in self._in_flight:
            for side in asked.sides:
                self._advance(asked, side)
        settled = [asked for asked in self._in_flight if asked.is_settled]
        if not settled:
            self._wait()
            return
        self._in_flight = deque(asked for asked in self._in_flight if not asked.is_settled)
        for asked in settled:
            self._settle(asked)

    def _wait(self) -> None:
        streams = (side.stream for asked in self._in_flight for side in asked.sides if not side.is_settled)
        first = next((stream for stream in streams if stream is not None), None)
        if first is None:
            time.sleep(_WAIT_SECONDS)
            return
        with contextlib.suppress(Exception):  # what went wrong is raised where the reply is taken
            first.wait(_WAIT_SECONDS)

    def _advance(self, asked: _Asked, side: _Side) -> None:
        if side.is_settled:
            return
        if side.stream is None:
            self._start(asked, side)
        elif side.stream.ended:
            try:
                self._take(asked, side, side.stream.wait())
            except BadInput as error:  # of this row: too long, or no JSON
                side.problem = error

    def _take(self, asked: _Asked, side: _Side, reply: Reply) -> None:
        if reply.finish_reason == "cancelled":
            raise Failure("The model was unloaded while it answered: resume the run to go on.")
        asked.tokens += reply.tokens
        try:
            side.text = self._rule.json_of(reply.text) if self._rule else reply.text
        except BadInput:
            if side.attempt == side.last:
                side.said = reply.text
                if reply.finish_reason == "length":
                    raise BadInput(_CUT, n=reply.tokens) from None
                raise
            side.attempt, side.stream = side.attempt + 1, None
            self._start(asked, side)
            return
        asked.marks += marks_of(reply)

    def _settle(self, asked: _Asked) -> None:
        result = asked.result()
        self._appender.append(result)
        self._progress.add(result)

    def _cancel(self) -> None:
        for asked in self._in_flight:
            for side in asked.sides:
                if side.stream:
                    side.stream.cancel()


def seed_of(seed: int, row: int, attempt: int) -> int:
    """The seed of one asking of a row; each is used once."""
    return int.from_bytes(hashlib.sha256(f"{seed} {row} {attempt}".encode()).digest()[:4])
