"""Starts, stops and resumes runs as processes of this machine, detached from whoever started them.

A run's process gets its lock by inheritance, so from its first moment the run is alive exactly as long as the process.
Output goes to the run's log file, never to a pipe.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import time

import psutil

from engine.data.specs import DataSpec
from engine.errors import BadInput
from engine.jobs import data
from engine.jobs.words import flags
from engine.jobs.worker import LOCK_VARIABLE
from engine.runs import Run, create_run, lock
from engine.runs.run import ENDED
from engine.settings import ROOT, settings
from engine.training.specs import SftSpec, check_spec

ENDED_BY_FORCE = (
    "It did not finish its step in the time it had (STUDIO_STOP_GRACE_SECONDS) and was ended; "
    "a resume goes on from its last checkpoint."
)


def start_sft(spec: SftSpec) -> Run:
    """Start a training run in the background.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    check_spec(spec)
    run = create_run("sft", spec.model_dump(), command_line(spec), adapter=spec.adapter)
    _launch(run)
    return run


def start_data(spec: DataSpec) -> Run:
    """Start a run about a dataset in the background.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    data.check(spec)
    run = create_run(spec.kind, spec.model_dump(mode="json"), data.command_line(spec), subject=data.subject(spec))
    _launch(run)
    return run


def command_line(spec: SftSpec) -> str:
    """The command that does what the spec asks for, with every setting spelled out."""
    return shlex.join(["python", "-m", "engine", "train", "sft", *flags(spec.model_dump(exclude_none=True))])


def resume(run: Run) -> None:
    """Go on with a run that stopped, failed or was lost, from its newest complete checkpoint.

    Raises:
        BadInput: it is going on, or it has finished.
    """
    state = run.status().state
    if state not in ENDED:
        raise BadInput("The run {run} is {state}: there is nothing to resume.", run=run.id, state=state)
    if state == "finished":
        raise BadInput("The run {run} has finished: start a new one to train further.", run=run.id)
    _launch(run)


def stop(run: Run) -> None:
    """Stop a run and wait for its end: it finishes its step and saves; after the grace period its process is ended.

    Either way the run is then `stopped`, and resumes from its newest complete checkpoint.

    Raises:
        BadInput: it has ended already.
    """
    state = run.status().state
    if state in ENDED:
        raise BadInput("The run {run} is {state} already.", run=run.id, state=state)
    run.request_stop()
    deadline = time.monotonic() + settings().stop_grace_seconds
    for end in (None, psutil.Process.terminate, psutil.Process.kill):
        process = _process(run)
        if end and process:
            with contextlib.suppress(psutil.NoSuchProcess):
                end(process)
            deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            state = run.status().state
            if state == "lost":
                run.update(state="stopped", ended=time.time(), message=ENDED_BY_FORCE)
            if state in ENDED:
                return
            time.sleep(0.2)


def stop_in_background(run: Run) -> None:
    """`stop` for a page, which cannot wait."""
    run.request_stop()
    _spawn(["runs", "stop", run.id], stdout=subprocess.DEVNULL)


def _launch(run: Run) -> None:
    held = lock.acquire(run.lock)
    if held is None:
        raise BadInput("The run {run} is going on already.", run=run.id)
    try:
        run.clear_stop()
        run.update(state="queued", message=None, message_values={}, ended=None, process=None)
        with run.log.open("ab") as log:
            _spawn(["work", run.id], stdout=log, lock_descriptor=held)
    finally:
        os.close(held)  # the child's copy keeps it


def _spawn(arguments: list[str], stdout, lock_descriptor: int | None = None) -> None:
    environment = {**os.environ, "STUDIO_HOME": str(settings().home.resolve()), "PYTHONUNBUFFERED": "1"}
    if lock_descriptor is not None:
        environment[LOCK_VARIABLE] = str(lock_descriptor)
    subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[] if lock_descriptor is None else [lock_descriptor],
    )


def _process(run: Run) -> psutil.Process | None:
    """The recorded process, if that very one still lives: ids are reused, creation times tell."""
    recorded = run.status().process
    if recorded is None:
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(recorded[0])
        if abs(process.create_time() - recorded[1]) < 0.01:
            return process
    return None
