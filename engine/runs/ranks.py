"""The processes of a run that has several: each writes down who it is and, if it fails, why; the leader and a stop read it.

    ranks/<n>.json   process id, creation time, and how rank n ended
    ranks.lock       held shared by every rank for life: only when it is free is nothing of the run left
    logs/            what each rank printed

A stop ends exactly the processes recorded here, never by name: launchers put ranks in sessions of their own.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel

from engine.errors import StudioError
from engine.files import read_json, write_json
from engine.runs import lock
from engine.runs.run import Run


class Rank(BaseModel):
    """One process of a run. Times are seconds since 1970."""

    rank: int
    process: tuple[int, float]
    """Id and creation time."""
    ended: float | None = None
    message: str | None = None
    """Why it failed: an English sentence with gaps."""
    message_values: dict[str, str] = {}
    secondary: bool = False
    """Whether it failed only because another process did."""

    def living(self) -> psutil.Process | None:
        """The process, if that very one still lives."""
        return find_process(self.process)


def find_process(recorded: tuple[int, float] | None) -> psutil.Process | None:
    """The process with this id and creation time, if it still lives: ids are reused, creation times tell."""
    if recorded is None:
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(recorded[0])
        if abs(process.create_time() - recorded[1]) < 0.01 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def register(run: Run, rank: int) -> None:
    """Called by a rank as it begins: records it, and holds the shared lock until the process ends."""
    descriptor = os.open(run.path / "ranks.lock", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    process = psutil.Process()
    _write(run, Rank(rank=rank, process=(process.pid, process.create_time())))


def finish(run: Run, rank: int, error: StudioError | None = None, secondary: bool = False) -> None:
    """Called by a rank as it ends: well, or for the reason given."""
    changes: dict[str, Any] = {"ended": time.time(), "secondary": secondary}
    if error:
        values = {name: str(value) for name, value in error.values.items()}
        changes |= {"message": error.sentence, "message_values": values}
    _write(run, _read(_path(run, rank)).model_copy(update=changes))


def list_ranks(run: Run) -> list[Rank]:
    """Those that have begun, in order."""
    found = [_read(path) for path in (run.path / "ranks").glob("*.json")]
    return sorted(found, key=lambda rank: rank.rank)


def forget(run: Run) -> None:
    """Called before a run begins or goes on."""
    for path in (run.path / "ranks").glob("*.json"):
        path.unlink()


def any_left(run: Run) -> bool:
    """Whether a rank still lives, recorded or not."""
    descriptor = lock.acquire(run.path / "ranks.lock", wait=0)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def log_file(run: Run, rank: int) -> Path:
    """Where a rank prints to."""
    return run.path / "logs" / f"rank-{rank}.txt"


def _path(run: Run, rank: int) -> Path:
    return run.path / "ranks" / f"{rank}.json"


def _read(path: Path) -> Rank:
    return Rank.model_validate(read_json(path))


def _write(run: Run, rank: Rank) -> None:
    path = _path(run, rank.rank)
    path.parent.mkdir(exist_ok=True)
    write_json(path, rank.model_dump())
