"""The leading process of a run: `python -m engine work RUN_ID`, started by `engine.jobs.local` and not by hand.

Holds the run's lock for its whole life, does what the spec asks for or has a launcher start the processes that do, and
writes the ending.
"""

import contextlib
import os
import time
import traceback

import psutil

from engine.errors import Failure, StudioError
from engine.jobs import launcher, queue
from engine.jobs.evaluation import compare_afterwards
from engine.jobs.processes import LOCK_VARIABLE
from engine.jobs.ray import follow as ray_follow
from engine.jobs.recipes import TRAININGS, run_recipe
from engine.runs import Run, Stopped, lock, open_run
from engine.training.checkpoints import remove_incomplete
from engine.training.failures import explain
from engine.training.lora_spec import LoraSpec
from engine.training.preference_data import read_held_out
from engine.training.rlhf_specs import PolicySpec


def work(run_id: str) -> None:
    """Run to the end, whatever the end is; then let the next in the queue begin.

    Raises:
        Failure: the run failed, for the reason its status tells.
    """
    run = open_run(run_id)
    held = _hold_lock(run)
    try:
        _to_its_end(run)
    finally:
        os.close(held)  # the interpreter takes a while to end, and a resume should not have to wait for that
        with contextlib.suppress(Exception):  # the next one's troubles are its own
            queue.advance()


def _to_its_end(run: Run) -> None:
    process = psutil.Process()
    run.update(state="running", started=time.time(), process=(process.pid, process.create_time()))
    try:
        _do(run)
    except Stopped:
        run.update(state="stopped", ended=time.time())
        return
    except Exception as error:
        traceback.print_exc()
        remove_incomplete(run.checkpoints)  # on a full disk this makes the room the ending needs
        explained = explain(error)
        values = {name: str(value) for name, value in explained.values.items()}
        run.update(state="failed", ended=time.time(), message=explained.sentence, message_values=values)
        raise explained from error
    status = run.status()
    stopped = run.stop_requested() and status.step < status.max_steps
    run.update(state="stopped" if stopped else "finished", ended=time.time())
    if not stopped:
        _measure(run)


def _measure(run: Run) -> None:
    """Let the comparison with what was there before follow, where the spec asks for it and there are prompts for it."""
    if run.kind not in TRAININGS:
        return
    spec = TRAININGS[run.kind].model_validate(run.spec())
    if isinstance(spec, PolicySpec) and spec.compare and read_held_out(run):
        with contextlib.suppress(StudioError):  # the training itself is done, whatever becomes of this
            compare_afterwards(spec)


def _do(run: Run) -> None:
    training = TRAININGS.get(run.kind)
    spec = training.model_validate(run.spec()) if training else None
    if isinstance(spec, LoraSpec) and spec.executor == "ray":
        ray_follow.follow(spec, run)
    elif spec is None or spec.launcher == "python":
        run_recipe(run)
    else:
        launcher.launch(spec, run)


def _hold_lock(run: Run) -> int:
    """The descriptor that holds the run's lock: the one the starter took and handed down."""
    inherited = os.environ.pop(LOCK_VARIABLE, None)
    held = int(inherited) if inherited is not None else lock.acquire(run.lock)
    if held is None:
        raise Failure("The run {run} is going on already.", run=run.id)
    os.set_inheritable(held, False)
    return held
