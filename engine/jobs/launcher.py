"""Has torchrun, deepspeed or accelerate start the processes of a training, and sees them to their end.

Runs in the leading process; what the processes do is the recipe's business.
"""

import math
import os
import subprocess

from engine.errors import Failure
from engine.jobs.rank import die_with_parent
from engine.jobs.recipes import prepare_data
from engine.runs import Run, ranks
from engine.settings import ROOT
from engine.training.launch.command import prepare
from engine.training.training_spec import TrainingSpec

_KILLED = (
    "Process {rank} of the run was killed: by the system if memory ran out, or by hand. "
    "Resume goes on from the last whole checkpoint; if memory was short, lower the batch size or the max length first."
)
_NEVER_BEGAN = "The launcher {launcher} ended with code {code} before the training began; the log says why."


def launch(spec: TrainingSpec, run: Run) -> None:
    """Start the processes and wait until all have ended.

    Raises:
        Failure: one of them failed; the reason of the one that failed first.
    """
    prepare_data(run)  # once, before there are several that would each do it
    command = prepare(spec, run)
    ranks.forget(run)
    print(command, flush=True)
    # a module of this checkout, wherever the launcher sets its processes down
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        command.argv,
        cwd=ROOT,
        env={**os.environ, **command.environment, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # this process has one thread
    )
    code = process.wait()
    _end_the_rest(run)
    if code != 0:
        raise _reason(run, spec, code)


def _end_the_rest(run: Run) -> None:
    for rank in ranks.list_ranks(run):
        if living := rank.living():
            living.kill()


def _reason(run: Run, spec: TrainingSpec, code: int) -> Failure:
    """Of the process that failed first, not of those that could not go on without it."""
    began = sorted(ranks.list_ranks(run), key=lambda rank: rank.ended or math.inf)
    failed = [rank for rank in began if rank.message]
    killed = [rank for rank in began if rank.ended is None]
    first = next((rank for rank in failed if not rank.secondary), None)
    if first is None and killed:
        return Failure(_KILLED, rank=killed[0].rank)
    first = first or next(iter(failed), None)
    if first and first.message:
        return Failure(first.message, **first.message_values)
    return Failure(_NEVER_BEGAN, launcher=spec.launcher, code=code)
