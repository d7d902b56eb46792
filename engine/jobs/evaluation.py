"""Starts the evaluation of an adapter as a background run; the measuring itself is `engine.training.evaluate`'s business."""

import shlex

from engine.jobs import queue
from engine.jobs.words import flags
from engine.runs import Run, create_run
from engine.training.evaluation_specs import EvaluateSpec, check_evaluation

KIND = "evaluate"


def start_evaluation(spec: EvaluateSpec) -> Run:
    """Start an evaluation in the background, or let it wait for its device.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    check_evaluation(spec)
    run = create_run(KIND, spec.model_dump(), command_line(spec))
    queue.start(run)
    return run


def command_line(spec: EvaluateSpec) -> str:
    """The command that does what the spec asks for, with every setting spelled out."""
    options = spec.model_dump(exclude={"adapter"}, exclude_none=True)
    return shlex.join(["python", "-m", "engine", "adapters", "evaluate", spec.adapter, *flags(options)])
