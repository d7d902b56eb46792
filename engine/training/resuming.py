"""What may be changed when a run goes on, and what was: everything else would make a different run of it.

A learning rate, for one, is part of the optimizer's saved state: a changed one would be ignored without a word.
"""

from typing import Any

from pydantic import BaseModel

from engine.errors import BadInput
from engine.files import write_json
from engine.runs import Run

CHANGEABLE = (
    "max_steps",
    "epochs",
    "save_steps",
    "save_total_limit",
    "eval_steps",
    "log_steps",
    "samples",
    "report_to",
    "gpus",
)


def change(run: Run, spec: BaseModel) -> dict[str, list[Any]]:
    """Give a run that has ended another spec for the part to come.

    Returns:
        Old and new value of each setting that differs.

    Raises:
        BadInput: a setting differs that cannot be changed in the middle.
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
    write_json(run.path / "spec.json", new)
    if changed:
        run.add_event(event="changed", step=run.status().step, values=changed)
    return changed
