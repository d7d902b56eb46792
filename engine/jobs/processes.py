"""The processes of runs on this machine: starts the leading one, detached from whoever asked, and ends exactly a run's own.

A run's process gets its lock by inheritance, so from its first moment the run is alive exactly as long as the process.
Output goes to the run's log file, never to a pipe.
"""

import contextlib
import os
import subprocess
import sys
import time
from typing import IO

import psutil

from engine.errors import BadInput
from engine.jobs.rank import die_with_parent
from engine.runs import Run, lock, ranks
from engine.runs.run import ENDED
from engine.settings import ROOT, settings

LOCK_VARIABLE = "STUDIO_RUN_LOCK"
ENDED_BY_FORCE = (
    "It did not finish its step in the time it had (STUDIO_STOP_GRACE_SECONDS) and was ended; "
    "a resume goes on from its last checkpoint."
)


def launch(run: Run, attached: bool = False) -> None:
    """Start the leading process of a run.

    Args:
        run: the run.
        attached: let it end with this process, as a foreground command's should: it is then lost, and can be resumed.

    Raises:
        BadInput: the run is going on, or processes of it are still ending.
    """
    held = lock.acquire(run.lock)
    if held is None:
        raise BadInput("The run {run} is going on already.", run=run.id)
    try:
        _wait_for_ranks(run)
        run.clear_stop()
        run.update(state="queued", message=None, message_values={}, ended=None, process=None)
        environment = {LOCK_VARIABLE: str(held), **_visible_gpus(run)}
        with run.log.open("ab") as log:
            spawn(["work", run.id], log, environment, [held], attached)
    finally:
        os.close(held)  # the child's copy keeps it


def spawn(
    arguments: list[str],
    output: IO | int,
    environment: dict[str, str] | None = None,
    descriptors: list[int] | None = None,
    attached: bool = False,
) -> None:
    """Start `python -m engine …` in a session of its own.

    Args:
        arguments: of the command line.
        output: where it prints to.
        environment: what is added to this process's.
        descriptors: open files that it inherits.
        attached: let it end with this process.
    """
    home = str(settings().home.resolve())
    subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments],
        cwd=ROOT,
        env={**os.environ, "STUDIO_HOME": home, "PYTHONUNBUFFERED": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=descriptors or [],
        preexec_fn=die_with_parent if attached else None,
    )


def stop(run: Run) -> None:
    """Put down the stop flag and wait for the end: the step is finished and saved; after the grace period the run's
    processes are ended. Either way the run is then `stopped`, and none of its processes is left."""
    run.request_stop()
    deadline = time.monotonic() + settings().stop_grace_seconds
    for end in (None, psutil.Process.terminate, psutil.Process.kill):
        if end:
            for process in processes(run):
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(process)
            deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            state = run.status().state
            if state == "lost":
                run.update(state="stopped", ended=time.time(), message=ENDED_BY_FORCE)
            if state in ENDED and not processes(run):
                return
            time.sleep(0.2)


def processes(run: Run) -> list[psutil.Process]:
    """The living processes of a run: the leading one first, what it started, and the ranks that were recorded."""
    found = []
    leader = ranks.find_process(run.status().process)
    if leader:
        with contextlib.suppress(psutil.NoSuchProcess):
            found = [leader, *leader.children(recursive=True)]
    others = (rank.living() for rank in ranks.list_ranks(run))
    return found + [process for process in others if process and process not in found]


def _visible_gpus(run: Run) -> dict[str, str]:
    """The GPUs that the queue gave to the run; our numbers are NVML's, in the order of the PCI bus."""
    numbers = [name.removeprefix("cuda:") for name in run.status().devices if name.startswith("cuda:")]
    return {"CUDA_VISIBLE_DEVICES": ",".join(numbers), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if numbers else {}


def _wait_for_ranks(run: Run) -> None:
    """A rank whose leader was killed ends by itself, within a second."""
    deadline = time.monotonic() + 10
    while ranks.any_left(run):
        if time.monotonic() > deadline:
            raise BadInput("Processes of the run {run} are still ending: try again in a moment.", run=run.id)
        time.sleep(0.1)
