"""The queues there are: create, find, change, delete. What is in them is the other modules' business."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from engine.database import session, writing
from engine.errors import BadInput
from engine.files import check_name
from engine.labelling import places
from engine.labelling.schema import AssignmentRow, Queue, QueueRow

LEASE_MINUTES = 30
MOST_OVERLAP = 20


def create(
    name: str,
    created_by: str,
    *,
    instructions: str = "",
    overlap: int = 1,
    review: bool = False,
    lease_minutes: int = LEASE_MINUTES,
    dataset: str = "",
) -> Queue:
    """Make a queue, still empty.

    Args:
        name: of the queue.
        created_by: who makes it.
        instructions: what the annotators read above each prompt.
        overlap: how many people label each prompt.
        review: whether a second person must accept each label.
        lease_minutes: how long a task that nobody touches stays with the person who took it.
        dataset: the dataset that its labels are for; by default it is called as the queue.

    Raises:
        BadInput: the name is taken or none, or a number is out of range.
    """
    values = {"overlap": overlap, "lease_minutes": lease_minutes, "dataset": dataset or check_name(name)}
    _check(**values)
    row = QueueRow(name=check_name(name), created_by=created_by, instructions=instructions, review=review, **values)
    try:
        with writing() as db:
            db.add(row)
            db.flush()
            return Queue.model_validate(row)
    except IntegrityError:
        raise BadInput("There is already a queue “{name}”: choose another name.", name=name) from None


def get(name: str) -> Queue:
    """The queue of this name.

    Raises:
        BadInput: there is none.
    """
    with session() as db:
        row = db.scalars(select(QueueRow).where(QueueRow.name == name)).one_or_none()
        if row is None:
            raise BadInput("There is no queue “{name}”.", name=name[:100])
        return Queue.model_validate(row)


def list_queues() -> list[Queue]:
    """All queues, newest first."""
    with session() as db:
        return [Queue.model_validate(row) for row in db.scalars(select(QueueRow).order_by(QueueRow.id.desc()))]


def change(queue_id: int, **changes: Any) -> Queue:
    """Change instructions, dataset or lease; ask for a smaller overlap, or for no review any more.

    More people or a review cannot be asked for afterwards: what is finished would be unfinished again. Without the review,
    what waits for it is done.

    Raises:
        BadInput: there is no such queue, a number is out of range, or more is asked for than before.
    """
    _check(**changes)
    with writing() as db:
        queue = places.lock(db, queue_id)
        if changes.get("overlap", 0) > queue.overlap or changes.get("review", False) > queue.review:
            raise BadInput(
                "Fewer people for each prompt, or no review: that can be had afterwards. For more, make a new queue."
            )
        if queue.review and not changes.get("review", True):
            waiting = (AssignmentRow.queue_id == queue_id, AssignmentRow.state == "in_review")
            db.execute(update(AssignmentRow).where(*waiting).values(state="done"))
        if changes:
            db.execute(update(QueueRow).where(QueueRow.id == queue_id).values(changes))
            db.refresh(queue)
        return Queue.model_validate(queue)


def delete(queue_id: int) -> None:
    """Remove a queue with its tasks and labels; datasets that were made of them stay.

    Raises:
        BadInput: there is no such queue.
    """
    with writing() as db:
        db.delete(places.lock(db, queue_id))  # the database takes tasks and labels along


def _check(overlap: int = 1, lease_minutes: int = 1, dataset: str | None = None, **_: Any) -> None:
    if not 1 <= overlap <= MOST_OVERLAP:
        raise BadInput("Each prompt is labelled by 1 to {most} people.", most=MOST_OVERLAP)
    if not 1 <= lease_minutes <= 7 * 24 * 60:
        raise BadInput("A task may stay with the person who took it for 1 minute to 7 days.")
    if dataset is not None:
        check_name(dataset)
