"""Built rows become a dataset, or the next version of one; and rows go to training or evaluation by their prompt.

Building anew makes a version of what the judgements and rules say now: pairs that a person dropped or fixed by hand stay so
in the versions before it, which stay too.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from engine.data import registry
from engine.data import rows as storage
from engine.data.records import RECORDS
from engine.data.split import falls_to_eval
from engine.errors import BadInput
from engine.preferences.build import Built
from engine.preferences.rules import PairRules

Row = dict[str, Any]


def keep(built: Built, name: str, rules: PairRules, by: str | None = None) -> registry.Card:
    """Write the rows as the dataset `name`, or as its next version.

    Args:
        built: the rows.
        name: the dataset.
        rules: what they were built with, for the card.
        by: who asks for it.

    Raises:
        BadInput: there is no row, the name cannot be one, or the dataset of that name is of another kind.
    """
    if not built.rows:
        raise BadInput(
            "The rules leave none of {candidates} rows: loosen them, or collect more feedback.",
            candidates=built.candidates,
        )
    about = {"rules": rules.model_dump(), "candidates": built.candidates, "taken": built.taken}
    changes = {"sources": [about], "change": {"action": "built", "rows": len(built.rows), "by": by}}
    if not any(card.name == name for card in registry.list_datasets()):
        with registry.new_folder(name) as folder:
            offsets = storage.add_lines(folder, _lines(built))
            registry.write_first_version(folder, name, built.kind, offsets, **changes)
        return registry.card(name)
    with registry.changing(name) as (folder, old):
        if old.kind != built.kind:
            raise BadInput(
                "A dataset holds rows of one kind: “{other}” cannot join “{kind}”.", other=built.kind, kind=old.kind
            )
        offsets = storage.add_lines(folder, _lines(built))
        return registry.write_next_version(folder, old, offsets, filters=[], added=0, **changes)


def split_pairs(rows: Iterable[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and rows to measure with: what is asked in one part is never asked in the other.

    Arguments as in `falls_to_eval`.
    """
    train: list[Row] = []
    evaluation: list[Row] = []
    for row in rows:
        (evaluation if falls_to_eval(row, share, seed) else train).append(row)
    return train, evaluation


def _lines(built: Built) -> Iterator[bytes]:
    return (registry.line_of(RECORDS[built.kind].model_validate(row)) for row in built.rows)
