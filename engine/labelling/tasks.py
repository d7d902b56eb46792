"""Prompts become a queue's tasks, in batches, each prompt once. Decides nothing about who gets them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import insert, select

from engine.database import writing
from engine.labelling import places
from engine.labelling.schema import Prompt, TaskRow

_BATCH = 500
"""Tasks in one transaction: short enough that nobody who saves a label waits."""


@dataclass(frozen=True)
class Added:
    """What came of adding prompts."""

    added: int = 0
    known: int = 0
    """Prompts that the queue had already, or that came twice."""
    unusable: int = 0
    """What the source could not make a prompt of."""


def add(queue_id: int, prompts: Iterable[Prompt | str]) -> Added:
    """Add prompts at the end of a queue; any number, as they are taken one batch at a time.

    Args:
        queue_id: the queue.
        prompts: as `engine.labelling.sources` makes them; a text is the reason why there is no prompt.

    Raises:
        BadInput: the queue was deleted; batches before that are gone with it.
    """
    added = known = unusable = 0
    rest = iter(prompts)
    while batch := list(islice(rest, _BATCH)):
        good = {_digest(prompt): prompt for prompt in batch if isinstance(prompt, Prompt)}
        new = _add_batch(queue_id, good)
        unusable += (broken := sum(isinstance(prompt, str) for prompt in batch))
        added += new
        known += len(batch) - broken - new
    return Added(added, known, unusable)


def _add_batch(queue_id: int, prompts: dict[str, Prompt]) -> int:
    with writing() as db:
        places.lock(db, queue_id)
        same = select(TaskRow.digest).where(TaskRow.queue_id == queue_id, TaskRow.digest.in_(prompts))
        for digest in db.scalars(same):
            del prompts[digest]
        rows = [
            {"queue_id": queue_id, "digest": digest, "places_taken": 0, **prompt.model_dump()}
            for digest, prompt in prompts.items()
        ]
        if rows:
            db.execute(insert(TaskRow), rows)
    return len(rows)


def _digest(prompt: Prompt) -> str:
    turns = [[turn.role, turn.content] for turn in prompt.before]
    asked = [prompt.system.strip(), turns, prompt.instruction.strip(), prompt.input.strip()]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
