"""The leading process of a run: `python -m engine work RUN_ID`, started by `engine.jobs.local` and not by hand.

Holds the run's lock for its whole life, runs the recipe that the spec names, and writes the ending.
"""

import os
import time
import traceback

import psutil

from engine.errors import DISK_FULL, Failure, StudioError, is_disk_full
from engine.runs import Run, Stopped, lock, open_run
from engine.training.checkpoints import remove_incomplete
from engine.training.specs import SftSpec

LOCK_VARIABLE = "STUDIO_RUN_LOCK"


def work(run_id: str) -> None:
    """Run to the end, whatever the end is.

    Raises:
        Failure: the run failed, for the reason its status tells.
    """
    run = open_run(run_id)
    held = _hold_lock(run)
    process = psutil.Process()
    run.update(state="running", started=time.time(), process=(process.pid, process.create_time()))
    try:
        _recipe(run)
    except Stopped:
        run.update(state="stopped", ended=time.time())
        os.close(held)
        return
    except Exception as error:
        traceback.print_exc()
        remove_incomplete(run.checkpoints)  # on a full disk this makes the room the ending needs
        explained = _explain(error)
        values = {name: str(value) for name, value in explained.values.items()}
        run.update(state="failed", ended=time.time(), message=explained.sentence, message_values=values)
        os.close(held)
        raise explained from error
    status = run.status()
    stopped = run.stop_requested() and status.step < status.max_steps
    run.update(state="stopped" if stopped else "finished", ended=time.time())
    os.close(held)  # the interpreter takes a while to end, and a resume should not have to wait for that


def _recipe(run: Run) -> None:
    if run.kind == "sft":
        from engine.training.sft import train_sft

        train_sft(SftSpec.model_validate(run.spec()), run)
    else:
        from engine.jobs.data import run_data

        run_data(run)


def _hold_lock(run: Run) -> int:
    """The descriptor that holds the run's lock: the one the starter took and handed down."""
    inherited = os.environ.pop(LOCK_VARIABLE, None)
    held = int(inherited) if inherited is not None else lock.acquire(run.lock)
    if held is None:
        raise Failure("The run {run} is going on already.", run=run.id)
    os.set_inheritable(held, False)
    return held


def _explain(error: Exception) -> StudioError:
    if isinstance(error, StudioError):
        return error
    if is_disk_full(error):
        return Failure(DISK_FULL)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, which may not be loaded
        return Failure("Out of memory: lower the batch size or the max length, or switch gradient checkpointing on.")
    return Failure(
        "It failed with {error}: {reason}; the log has the trace.", error=type(error).__name__, reason=str(error)[:300]
    )
