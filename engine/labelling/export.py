"""Finished labels become rows of a dataset, each row once; each says which task it is, who wrote it and who accepted it."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from engine.data import registry
from engine.data.folders import locked
from engine.data.records import Conversation, Message
from engine.database import session, writing
from engine.labelling.schema import FINISHED, Assignment, AssignmentRow, Queue, Task, TaskRow
from engine.settings import settings

_BATCH = 500


def to_records(queue: Queue, not_in: str | None = None) -> Iterator[Conversation]:
    """The queue's finished labels as conversations, in the order of its tasks.

    Args:
        queue: the queue.
        not_in: leave out those that are in this dataset already.
    """
    for assignment, task in _finished(queue, not_in):
        yield _record(queue, assignment, task)


def count_new(queue: Queue) -> int:
    """How many finished labels are not in the queue's dataset yet."""
    with session() as db:
        return db.scalars(select(func.count(AssignmentRow.id)).where(_wanted(queue, _existing(queue.dataset)))).one()


def make_dataset(queue: Queue, by: str | None = None) -> registry.Card:
    """Put the finished labels that are not there yet into the queue's dataset, which is made if there is none.

    Args:
        queue: the queue.
        by: who asks for it.

    Raises:
        BadInput: nothing is finished, or the dataset is of another kind.
    """
    with locked(settings().var / f"labelling-{queue.id}", wait=60):  # two clicks at once must not add a row twice
        there = _existing(queue.dataset)
        known = _known(queue) if there else set()
        written: list[int] = []

        def rows() -> Iterator[Conversation]:
            for assignment, task in _finished(queue, there):
                written.append(assignment.id)
                if str(assignment.id) not in known:
                    yield _record(queue, assignment, task)

        card = _write(queue, rows(), by, append=there is not None)
        _mark(written, queue.dataset)
    return card


def _write(queue: Queue, rows: Iterator[Conversation], by: str | None, append: bool) -> registry.Card:
    if append:
        return registry.append(queue.dataset, rows, by)
    return registry.create(queue.dataset, rows, [{"labelling": queue.name}])


def _existing(dataset: str) -> str | None:
    """The dataset's name if there is one; otherwise nothing is in it, whatever was written before it was deleted."""
    return dataset if any(card.name == dataset for card in registry.list_datasets()) else None


def _known(queue: Queue) -> set[str]:
    """The labels in the dataset: an export that was killed has written rows and not marked them."""
    rows = (row.source for row in registry.iterate(queue.dataset))
    return {str(source.get("label")) for source in rows if source.get("labelling") == queue.name}


def _mark(assignment_ids: list[int], dataset: str) -> None:
    with writing() as db:
        for start in range(0, len(assignment_ids), _BATCH):
            ids = assignment_ids[start : start + _BATCH]
            db.execute(update(AssignmentRow).where(AssignmentRow.id.in_(ids)).values(exported=dataset))


def _wanted(queue: Queue, not_in: str | None) -> ColumnElement[bool]:
    finished = and_(AssignmentRow.queue_id == queue.id, AssignmentRow.state.in_(FINISHED))
    if not_in is None:
        return finished
    return and_(finished, or_(AssignmentRow.exported.is_(None), AssignmentRow.exported != not_in))


def _finished(queue: Queue, not_in: str | None) -> Iterator[tuple[Assignment, Task]]:
    """In batches by number, so that no transaction stays open while a reader takes its time."""
    pairs = select(AssignmentRow, TaskRow).join(TaskRow, TaskRow.id == AssignmentRow.task_id)
    pairs = pairs.where(_wanted(queue, not_in)).order_by(AssignmentRow.task_id, AssignmentRow.id).limit(_BATCH)
    last = (0, 0)
    while True:
        after = or_(AssignmentRow.task_id > last[0], and_(AssignmentRow.task_id == last[0], AssignmentRow.id > last[1]))
        with session() as db:
            rows = [(Assignment.model_validate(a), Task.model_validate(t)) for a, t in db.execute(pairs.where(after))]
        yield from rows
        if len(rows) < _BATCH:
            return
        last = (rows[-1][0].task_id, rows[-1][0].id)


def _record(queue: Queue, assignment: Assignment, task: Task) -> Conversation:
    asked = task.messages(assignment.instruction, assignment.input)
    source: dict[str, Any] = {
        "labelling": queue.name,
        "task": task.id,
        "label": assignment.id,
        "annotator": assignment.annotator,
        "reviewer": assignment.reviewer if assignment.state == "accepted" else None,
        "from": task.source,
    }
    if assignment.draft_by:
        source |= {"draft_by": assignment.draft_by, "edited": assignment.edited}
    return Conversation(messages=[*asked, Message(role="assistant", content=assignment.final)], source=source)
