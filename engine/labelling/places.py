"""A queue's lock and the places of its tasks: each task has as many as the queue's overlap asks for.

Whoever changes anything in a queue calls `lock` first, within `writing()`; then counting and changing need no further care.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from engine.errors import BadInput
from engine.labelling.schema import HOLDING, AssignmentRow, QueueRow, TaskRow


def lock(db: Session, queue_id: int) -> QueueRow:
    """The queue, held by this transaction until it ends. (SQLite's `writing()` holds the whole database already.)

    Raises:
        BadInput: it was deleted.
    """
    queue = db.scalars(select(QueueRow).where(QueueRow.id == queue_id).with_for_update()).one_or_none()
    if queue is None:
        raise BadInput("This queue is gone: somebody has deleted it.")
    return queue


def release_expired(db: Session, queue_id: int, at: datetime) -> None:
    """Give the places of those back whose lease has run out."""
    expired = (
        AssignmentRow.queue_id == queue_id,
        AssignmentRow.state.in_(("open", "returned")),
        AssignmentRow.expires < at,
    )
    change = update(AssignmentRow).where(*expired).values(state="left").returning(AssignmentRow.task_id)
    if tasks := db.scalars(change).all():
        recount(db, tasks)


def recount(db: Session, task_ids: Iterable[int]) -> None:
    """Count the places taken of these tasks, after a change of their assignments' states."""
    db.flush()
    holding = (AssignmentRow.task_id == TaskRow.id, AssignmentRow.state.in_(HOLDING))
    taken = select(func.count(AssignmentRow.id)).where(*holding).scalar_subquery()
    db.execute(update(TaskRow).where(TaskRow.id.in_(set(task_ids))).values(places_taken=taken))
