"""What may be changed when a run goes on, and what was: everything else would make a different run of it.

A learning rate, for one, is part of the optimizer's saved state: a changed one would be ignored without a word.
"""

from typing import Any

from pydantic import BaseModel

from engine.errors import BadInput
from engine.files import write_json
from engine.runs import Run
from engine.training.checkpoints import newest_complete, step_of

CHANGEABLE = (
    "max_steps",
    "epochs",
    "save_steps",
    "save_total_limit",
    "eval_steps",
    "log_steps",
    "samples",
    "sample_steps",
    "report_to",
    "gpus",
)


def change(run: Run, spec: BaseModel) -> dict[str, list[Any]]:
    """Give a run that has ended another spec for the part to come.

    Returns:
        Old and new value of each setting that differs.

    Raises:
        BadInput: a setting differs that cannot be changed in the middle, or the run would have to go back.
    """
    old, new = run.spec(), spec.model_dump()
    changed = {name: [old.get(name), value] for name, value in new.items() if old.get(name) != value}
    for name in changed:
        if name not in CHANGEABLE:
            raise BadInput(
                "{name} cannot be changed in the middle of a run: start a new one, from this one's adapter if you like. "
                "These can: {names}.",
                name=name,
                names=", ".join(CHANGEABLE),
            )
    steps = new.get("max_steps")
    newest = newest_complete(run.checkpoints)
    if "max_steps" in changed and steps and newest and steps <= step_of(newest):
        raise BadInput(
            "max_steps must be more than {step}, where the newest checkpoint of the run is.", step=step_of(newest)
        )
    write_json(run.path / "spec.json", new)
    if changed:
        run.add_event(event="changed", step=step_of(newest) if newest else 0, values=changed)
    return changed
