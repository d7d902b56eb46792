"""Runs wait for their devices: a GPU serves one run at a time, the CPU as many as `STUDIO_CPU_RUNS`.

A waiting run is a run directory in state `queued` whose status has a `place`; nothing is held in memory. Whoever calls
`advance` starts what can be started: each run at its end, the studio every few seconds, the command line when it lists runs.
"""

import contextlib
import os
import time
from collections.abc import Iterator

from engine.devices import devices
from engine.errors import BadInput
from engine.jobs import processes
from engine.runs import Run, list_runs, lock
from engine.settings import settings

CPU = "cpu"


def start(run: Run, attached: bool = False) -> None:
    """Start a run, or let it wait at the end of the queue if its devices are taken or others wait for them.

    Args:
        run: the run.
        attached: let it end with this process, if it need not wait.
    """
    with _one_at_a_time():
        last = max((other.status().place or 0.0 for other in waiting()), default=0.0)
        run.update(state="queued", place=max(time.time(), last + 1), message=None, message_values={}, ended=None)
        _start_possible(run if attached else None)


def advance() -> None:
    """Start the waiting runs whose devices are free, in order."""
    if not waiting():
        return
    with _one_at_a_time():
        _start_possible()


def waiting() -> list[Run]:
    """Those that wait, first come first."""
    found = [(run, place) for run in list_runs() if (place := run.waiting_place()) is not None]
    return [run for run, _ in sorted(found, key=lambda pair: pair[1])]


def move(run: Run, to: int) -> None:
    """Give a waiting run another place in the queue, 0 for the first.

    Raises:
        BadInput: it does not wait.
    """
    with _one_at_a_time():
        order = waiting()
        if run not in order:
            raise BadInput("The run {run} does not wait in the queue.", run=run.id)
        places = [other.status().place for other in order]
        order.remove(run)
        order.insert(max(0, to), run)
        for other, place in zip(order, places, strict=True):
            other.update(place=place)


def leave(run: Run) -> bool:
    """Take a run out of the queue; false if it does not wait there."""
    with _one_at_a_time():
        if run.waiting_place() is None:
            return False
        run.update(state="stopped", place=None, ended=time.time())
        return True


def taken() -> list[str]:
    """Devices of the runs that are going on, as often as they are used."""
    return [name for run in list_runs() if run.is_alive() for name in run.status().devices]


def _start_possible(attached: Run | None = None) -> None:
    """Start what can be, one of them attached; a run never overtakes another that waits for the same device."""
    used = taken()
    for run in waiting():
        chosen = _choose(run, used)
        if chosen is None:
            used += _wanted(run)
            continue
        used += chosen
        run.update(place=None, devices=chosen)
        processes.launch(run, attached=run == attached)


def _wanted(run: Run) -> list[str]:
    """The devices that a run cannot do without: those it names, or any there are."""
    named = run.spec().get("gpus") or []
    gpus = [device.name for device in devices() if device.name != CPU]
    return [f"cuda:{number}" for number in named] or gpus or [CPU] * settings().cpu_runs


def _choose(run: Run, used: list[str]) -> list[str] | None:
    """The devices it would get now, none for a run on another machine; None if there are too few."""
    spec = run.spec()
    if spec.get("executor") == "ray":
        return []
    gpus = [device.name for device in devices() if device.name != CPU]
    if not gpus:
        return [CPU] if used.count(CPU) < settings().cpu_runs else None
    named = [f"cuda:{number}" for number in spec.get("gpus") or []]
    free = [name for name in named or gpus if name not in used]
    needed = len(named) or min(spec.get("nproc", 1), len(gpus))
    return free[:needed] if len(free) >= needed else None


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    held = lock.acquire(settings().runs / ".queue.lock", wait=30)
    if held is None:
        raise BadInput("The queue is busy: try again in a moment.")
    try:
        yield
    finally:
        os.close(held)
