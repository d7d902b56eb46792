"""Which code does what a run's spec asks for; what runs in its one process, or in each of several."""

import importlib

from engine.batch.spec import BatchSpec
from engine.knowledge.specs import SPECS as KNOWLEDGE
from engine.runs import Run
from engine.training import rlhf_specs
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.specs import SftSpec
from engine.training.training_spec import TrainingSpec

TRAININGS: dict[str, type[TrainingSpec]] = {"sft": SftSpec, **rlhf_specs.SPECS, "dreambooth": DreamboothSpec}
"""The kinds of run that train, and may have several processes; `engine.training.<kind>.train_<kind>` does it."""


def run_recipe(run: Run) -> None:
    """Do it.

    Raises:
        Stopped: somebody asked the run to stop, and nothing is left to be saved.
    """
    if run.kind in TRAININGS:
        recipe = importlib.import_module(f"engine.training.{run.kind}")
        getattr(recipe, f"train_{run.kind}")(TRAININGS[run.kind].model_validate(run.spec()), run)
    elif run.kind == "evaluate":
        from engine.training.evaluate import evaluate
        from engine.training.evaluation_specs import EvaluateSpec

        evaluate(EvaluateSpec.model_validate(run.spec()), run)
    elif run.kind == "winrate":
        from engine.training.win_rate import compare
        from engine.training.win_rate_specs import WinRateSpec

        compare(WinRateSpec.model_validate(run.spec()), run)
    elif run.kind == BatchSpec.kind:
        from engine.batch.generation import run_batch

        run_batch(run)
    elif run.kind in KNOWLEDGE:
        from engine.jobs.knowledge import run_knowledge

        run_knowledge(run)
    else:
        from engine.jobs.data import run_data

        run_data(run)


def prepare_data(run: Run) -> None:
    """Make the rows of a training ready, once, before there are several processes that would each do it.

    Pictures were made ready when the run was started.
    """
    if run.kind == "sft":
        from engine.training import sft

        sft.prepare_data(SftSpec.model_validate(run.spec()), run)
    elif run.kind in rlhf_specs.SPECS:
        from engine.training.preference_data import freeze

        freeze(rlhf_specs.SPECS[run.kind].model_validate(run.spec()), run)
