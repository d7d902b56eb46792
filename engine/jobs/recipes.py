"""Which code does what a run's spec asks for; what runs in its one process, or in each of several."""

from engine.runs import Run
from engine.training.specs import SftSpec

TRAININGS = {"sft": SftSpec}
"""The kinds of run that train, and may have several processes."""


def run_recipe(run: Run) -> None:
    """Do it.

    Raises:
        Stopped: somebody asked the run to stop, and nothing is left to be saved.
    """
    if run.kind == "sft":
        from engine.training.sft import train_sft

        train_sft(SftSpec.model_validate(run.spec()), run)
    elif run.kind == "evaluate":
        from engine.training.evaluate import evaluate
        from engine.training.evaluation_specs import EvaluateSpec

        evaluate(EvaluateSpec.model_validate(run.spec()), run)
    else:
        from engine.jobs.data import run_data

        run_data(run)
