"""The second person: sees a task's answers side by side, takes one, perhaps edited, or sends one back with a comment.

Nobody reviews a task that they answered. A task lies with its reviewer under a lease, so that two reviewers never have the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import Session

from engine.database import now, session, writing
from engine.errors import BadInput
from engine.labelling import places
from engine.labelling.schema import Assignment, AssignmentRow, QueueRow, Task, TaskRow

RETURNED_FOR = timedelta(days=1)
"""How long a label that was sent back waits for its author before others may have the task."""


@dataclass(frozen=True)
class Review:
    """What lies before a reviewer."""

    task: Task
    answers: list[Assignment]


def take(queue_id: int, reviewer: str, at: datetime | None = None) -> Review | None:
    """The task this person is reviewing, else the oldest one that waits for a reviewer.

    Returns:
        None if nothing waits for this person.

    Raises:
        BadInput: the queue was deleted.
    """
    at = at or now()
    with writing() as db:
        queue = places.lock(db, queue_id)
        ready = _ready(queue.id, queue.overlap, reviewer, at)
        mine_first = case((TaskRow.reviewer == reviewer, 0), else_=1)
        # what somebody has left to others goes to the end of the line
        line = (mine_first, TaskRow.reviewing_until.is_not(None), TaskRow.reviewing_until, TaskRow.id)
        task = db.scalars(ready.order_by(*line).limit(1)).one_or_none()
        if task is None:
            return None
        task.reviewer, task.reviewing_until = reviewer, at + timedelta(minutes=queue.lease_minutes)
        return Review(Task.model_validate(task), [Assignment.model_validate(row) for row in _answers(db, task.id)])


def count_waiting(queue_id: int, reviewer: str, at: datetime | None = None) -> int:
    """How many tasks this person could review now."""
    with session() as db:
        overlap = db.scalars(select(QueueRow.overlap).where(QueueRow.id == queue_id)).one_or_none()
        if overlap is None:
            return 0
        ready = _ready(queue_id, overlap, reviewer, at or now()).with_only_columns(func.count(TaskRow.id))
        return db.scalars(ready).one()


def accept(assignment_id: int, reviewer: str, output: str | None = None, at: datetime | None = None) -> Assignment:
    """Take an answer; other answers to the same task are passed over.

    Args:
        assignment_id: the answer.
        reviewer: who takes it.
        output: as the reviewer edited it; None takes it as it is.
        at: the moment.

    Raises:
        BadInput: it is not this person's to review, or the output is empty.
    """
    if output is not None and not output.strip():
        raise BadInput("The output is empty: write one, or send the answer back.")
    with writing() as db:
        row, task = _to_review(db, assignment_id, reviewer, at or now())
        for other in db.scalars(select(AssignmentRow).where(AssignmentRow.task_id == task.id)):
            if other.state in ("open", "in_review", "returned"):
                other.state = "passed"
        row.state, row.reviewer = "accepted", reviewer
        row.reviewed_output = None if output is None or output.strip() == row.output.strip() else output
        task.reviewer = task.reviewing_until = None
        return Assignment.model_validate(row)


def send_back(assignment_id: int, reviewer: str, comment: str, at: datetime | None = None) -> None:
    """Ask the author for another try; for `RETURNED_FOR` nobody else gets the task.

    Raises:
        BadInput: it is not this person's to review, or there is no comment.
    """
    at = at or now()
    if not comment.strip():
        raise BadInput("Say what should be different: the author reads your comment.")
    with writing() as db:
        row, task = _to_review(db, assignment_id, reviewer, at)
        row.state, row.reviewer, row.comment, row.expires = "returned", reviewer, comment.strip(), at + RETURNED_FOR
        task.reviewer = task.reviewing_until = None


def leave(task_id: int, reviewer: str, at: datetime | None = None) -> None:
    """Leave a review to others: the task goes to the end of the line."""
    with writing() as db:
        task = db.get(TaskRow, task_id)
        if task is not None and task.reviewer == reviewer:
            task.reviewer, task.reviewing_until = None, at or now()


def _ready(queue_id: int, overlap: int, reviewer: str, at: datetime):
    """Tasks with all their answers in, none of them the reviewer's, that nobody else is reviewing."""
    answer = (AssignmentRow.task_id == TaskRow.id, AssignmentRow.state == "in_review")
    answers = select(func.count(AssignmentRow.id)).where(*answer).scalar_subquery()
    own = exists().where(*answer, AssignmentRow.annotator == reviewer)
    free = or_(TaskRow.reviewing_until.is_(None), TaskRow.reviewing_until < at, TaskRow.reviewer == reviewer)
    waiting = select(AssignmentRow.task_id).where(
        AssignmentRow.queue_id == queue_id, AssignmentRow.state == "in_review"
    )
    return select(TaskRow).where(TaskRow.id.in_(waiting), answers >= overlap, ~own, free)


def _to_review(db: Session, assignment_id: int, reviewer: str, at: datetime) -> tuple[AssignmentRow, TaskRow]:
    row = db.get(AssignmentRow, assignment_id)
    if row is None:
        raise BadInput("This task is gone: its queue was deleted.")
    places.lock(db, row.queue_id)
    db.refresh(row)
    task = db.get_one(TaskRow, row.task_id)
    if row.annotator == reviewer:
        raise BadInput("Nobody reviews their own answer: leave it to somebody else.")
    if row.state != "in_review":
        raise BadInput("This answer is no longer waiting for a review.")
    if task.reviewer not in (None, reviewer) and task.reviewing_until and task.reviewing_until > at:
        raise BadInput("Somebody else is reviewing this one now.")
    return row, task


def _answers(db: Session, task_id: int) -> list[AssignmentRow]:
    waiting = (AssignmentRow.task_id == task_id, AssignmentRow.state == "in_review")
    return list(db.scalars(select(AssignmentRow).where(*waiting).order_by(AssignmentRow.id)))
