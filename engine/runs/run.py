"""One run directory: reading it, writing to it, and telling the true state of its run.

The leading process of a run writes status and events; anybody may read them, and anybody may put down the stop flag.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from engine.errors import BadInput
from engine.files import read_json, read_tail, write_json, write_text
from engine.runs import lock
from engine.settings import settings

State = Literal["queued", "running", "stopping", "stopped", "finished", "failed", "lost"]
ENDED: tuple[State, ...] = ("stopped", "finished", "failed", "lost")
_ID = re.compile(r"\d{8}-\d{6}-[a-z]+-[0-9a-f]{4}")


class Status(BaseModel):
    """How far a run is. Times are seconds since 1970."""

    state: State = "queued"
    step: int = 0
    max_steps: int = 0
    loss: float | None = None
    """Of the last optimizer step, over the global batch."""
    adapter: str | None = None
    unit: Literal["steps", "rows", "bytes", "passages"] = "steps"
    """What `step` and `max_steps` count."""
    subject: str | None = None
    """The name of the dataset or the knowledge base that the run is about, if it is about one."""
    result: dict[str, Any] = {}
    """What a run about data or a knowledge base made, as the command line prints it."""
    message: str | None = None
    """Why it ended as it did: an English sentence with gaps, the key of its translation."""
    message_values: dict[str, str] = {}
    """What fills the gaps."""
    created: float = 0.0
    started: float | None = None
    updated: float | None = None
    ended: float | None = None
    steps_at_start: int = 0
    """The step this process began from: 0, or that of the checkpoint it resumed."""
    process: tuple[int, float] | None = None
    """Id and creation time of the leading process."""
    world_size: int = 1
    """Processes that really train together."""
    sharding: str = "none"
    """What is really shared out between them: none, zero-0 to zero-3, fsdp."""
    place: float | None = None
    """Where it stands in the queue, the lowest first; None if it does not wait."""
    devices: list[str] = []
    """What it runs on, such as `cuda:0` or `cpu`."""

    @property
    def reason(self) -> str | None:
        """The message in English, its gaps filled."""
        return self.message and self.message.format(**self.message_values)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the pace since this process began; None while unknown or once ended."""
        done = self.step - self.steps_at_start
        if self.state not in ("running", "stopping") or done <= 0 or not self.started or not self.updated:
            return None
        return (self.updated - self.started) / done * (self.max_steps - self.step)


class Stopped(Exception):
    """Raised within a run's work when it sees the stop flag and nothing is left to be saved."""


@dataclass(frozen=True)
class Run:
    """A run directory that exists."""

    id: str
    path: Path

    @property
    def kind(self) -> str:
        """What kind of job it is, such as `sft`."""
        return self.id.split("-")[2]

    @property
    def checkpoints(self) -> Path:
        """Where the trainer puts `checkpoint-<step>` folders."""
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        """Everything its processes printed."""
        return self.path / "log.txt"

    @property
    def lock(self) -> Path:
        """See `engine.runs.lock`."""
        return self.path / "lock"

    def spec(self) -> dict[str, Any]:
        """What was asked for."""
        return read_json(self.path / "spec.json")

    def command(self) -> str:
        """The command line that starts the same run."""
        return (self.path / "command.txt").read_text(encoding="utf-8").strip()

    def status(self) -> Status:
        """What is true now: a run whose lock is free and that wrote no ending is lost."""
        status = self._written_status()
        if status.state in ENDED or status.place is not None:
            return status
        if not lock.is_held(self.lock):
            status = self._written_status()  # it may have ended properly between the two looks
            if status.state not in ENDED:
                status.state = "lost"
        elif self.stop_requested():
            status.state = "stopping"
        return status

    def is_alive(self) -> bool:
        """Whether its leading process lives."""
        return lock.is_held(self.lock)

    def waiting_place(self) -> float | None:
        """Its place in the queue; None if it does not wait."""
        return self._written_status().place

    def update(self, **changes: Any) -> Status:
        """Write some fields of the status. For the leading process, or for whoever holds the lock before it starts."""
        status = self._written_status().model_copy(update={"updated": time.time(), **changes})
        write_json(self.path / "status.json", status.model_dump())
        return status

    def add_event(self, **values: Any) -> None:
        """Append one event, stamped with the time."""
        line = json.dumps({"time": time.time(), **values}, ensure_ascii=False) + "\n"
        descriptor = os.open(self.path / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def events(self) -> list[dict[str, Any]]:
        """All events in order, without those a resume made void: after `resumed` at step n, earlier ones beyond n go."""
        kept: list[dict[str, Any]] = []
        for event in self._written_events():
            if event.get("event") == "resumed":
                kept = [old for old in kept if old.get("step", 0) <= event["step"]]
            kept.append(event)
        return kept

    def log_tail(self, lines: int = 200) -> str:
        """The last lines of the log."""
        return read_tail(self.log, lines)

    def describe(self, spec: dict[str, Any], command: str) -> None:
        """Write down what is asked for, and the command line that starts the same run."""
        write_json(self.path / "spec.json", spec)
        write_text(self.path / "command.txt", command + "\n")

    def request_stop(self) -> None:
        """Put down the stop flag; the run sees it at its next step."""
        (self.path / "stop").touch()

    def stop_requested(self) -> bool:
        """Whether the stop flag is down."""
        return (self.path / "stop").exists()

    def end_if_stopped(self) -> None:
        """For work that has nothing to save first.

        Raises:
            Stopped: the stop flag is down.
        """
        if self.stop_requested():
            raise Stopped

    def clear_stop(self) -> None:
        """Lift the stop flag, before a resume."""
        (self.path / "stop").unlink(missing_ok=True)

    def ask_for_memory(self) -> None:
        """Ask the studio to give the chat model's memory free when the run begins."""
        (self.path / "needs-memory").touch()

    def take_memory_request(self) -> bool:
        """Whether it asked and has begun; true once. Not in the status, as that is the leading process's to write."""
        request = self.path / "needs-memory"
        if not request.exists() or not self.is_alive():
            return False
        request.unlink(missing_ok=True)
        return True

    def _written_status(self) -> Status:
        return Status.model_validate(read_json(self.path / "status.json"))

    def _written_events(self) -> Iterator[dict[str, Any]]:
        path = self.path / "events.jsonl"
        if not path.exists():
            return
        with path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:  # the last line of a killed process may be cut
                    continue


def create_run(
    kind: str, spec: dict[str, Any], command: str, adapter: str | None = None, subject: str | None = None
) -> Run:
    """A new run directory, in state `queued`.

    Args:
        kind: one lower-case word, part of the id.
        spec: JSON-ready, complete enough to run again.
        command: the command line that starts the same run.
        adapter: the adapter it will make, if it makes one.
        subject: the name of the dataset or the knowledge base it is about, if it is about one.
    """
    run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}-{secrets.token_hex(2)}"
    path = settings().runs / run_id
    (path / "checkpoints").mkdir(parents=True)
    (path / "samples").mkdir()
    run = Run(run_id, path)
    run.describe(spec, command)
    # the status comes last: a directory without one is not a run yet
    write_json(path / "status.json", Status(created=time.time(), adapter=adapter, subject=subject).model_dump())
    return run


def open_run(run_id: str) -> Run:
    """The run with this id.

    Raises:
        BadInput: there is none.
    """
    path = settings().runs / run_id
    if not _ID.fullmatch(run_id) or not (path / "status.json").exists():
        raise BadInput("There is no run “{run}”: `python -m engine runs list` shows those there are.", run=run_id[:100])
    return Run(run_id, path)


def find_run(run_id: str | None) -> Run | None:
    """The run with this id, if there is one (any more)."""
    try:
        return open_run(run_id) if run_id else None
    except BadInput:
        return None


def list_runs() -> list[Run]:
    """All runs, newest first."""
    folders = (path for path in settings().runs.iterdir() if _ID.fullmatch(path.name))
    return [Run(path.name, path) for path in sorted(folders, reverse=True) if (path / "status.json").exists()]
