"""Starts the measuring of adapters as background runs; the measuring itself is engine.training's business."""

import shlex

from engine.jobs import queue
from engine.jobs.words import flags
from engine.runs import Run, create_run
from engine.training.evaluation_specs import EvaluateSpec, check_evaluation
from engine.training.rlhf_specs import PolicySpec, RlooSpec
from engine.training.win_rate_specs import WinRateSpec, check_win_rate

KIND = "evaluate"
WIN_RATE = "winrate"


def start_evaluation(spec: EvaluateSpec) -> Run:
    """Start an evaluation in the background, or let it wait for its device.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    check_evaluation(spec)
    options = spec.model_dump(exclude={"adapter"}, exclude_none=True)
    return _start(KIND, spec.model_dump(), ["adapters", "evaluate", spec.adapter, *flags(options)])


def start_win_rate(spec: WinRateSpec) -> Run:
    """Start a comparison of two adapters, as `start_evaluation` does."""
    check_win_rate(spec)
    options = spec.model_dump(exclude={"adapter"}, exclude_none=True)
    return _start(WIN_RATE, spec.model_dump(), ["rlhf", "compare", spec.adapter, *flags(options)])


def compare_afterwards(spec: PolicySpec) -> Run:
    """Compare what a training has just published with what it started from."""
    rewards = [spec.judge] if spec.judge else spec.reward if isinstance(spec, RlooSpec) else []
    return start_win_rate(WinRateSpec(adapter=spec.adapter, reward=rewards, seed=spec.seed))


def _start(kind: str, spec: dict, words: list[str]) -> Run:
    run = create_run(kind, spec, shlex.join(["python", "-m", "engine", *words]))
    queue.start(run)
    return run
