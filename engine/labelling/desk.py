"""One annotator at the desk: take a task, keep what is typed, save or skip it, take the last one back.

A task lies with whoever took it under a lease that every keystroke kept renews; then it may go to somebody else, but what was
typed stays. Each function's `at` is the moment it happens, for tests; by default now.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session

from engine.database import now, session, writing
from engine.errors import BadInput
from engine.labelling import places
from engine.labelling.drafting import share_edited
from engine.labelling.schema import Assignment, AssignmentRow, QueueRow, Task, TaskRow


@dataclass(frozen=True)
class Work:
    """What lies before an annotator."""

    task: Task
    assignment: Assignment

    @property
    def instruction(self) -> str:
        """As the annotator has it now."""
        edited = self.assignment.instruction
        return self.task.instruction if edited is None else edited

    @property
    def input(self) -> str:
        """As the annotator has it now."""
        edited = self.assignment.input
        return self.task.input if edited is None else edited


def take(queue_id: int, annotator: str, at: datetime | None = None) -> Work | None:
    """The annotator's task: the one they have open, else one that came back to them, else the next.

    Returns:
        None if nothing is left for this person.

    Raises:
        BadInput: the queue was deleted.
    """
    at = at or now()
    with session() as db:
        if work := _at_hand(db, queue_id, annotator, at):
            return work
    with writing() as db:
        queue = places.lock(db, queue_id)
        places.release_expired(db, queue_id, at)
        row = _mine(db, queue, annotator) or _next(db, queue, annotator, at)
        if row is None:
            return None
        if row.state != "open":
            row.state, row.taken = "open", at
        row.expires = at + timedelta(minutes=queue.lease_minutes)
        places.recount(db, [row.task_id])
        return _work(db, row)


def keep(
    assignment_id: int,
    annotator: str,
    output: str,
    instruction: str | None = None,
    input: str | None = None,
    at: datetime | None = None,
) -> Assignment:
    """Keep what is typed so far, and renew the lease; of what is no longer open nothing changes.

    Args:
        assignment_id: what the annotator works on.
        annotator: who types.
        output: the reply.
        instruction: as the annotator changed it; None leaves it.
        input: likewise.
        at: the moment.

    Raises:
        BadInput: there is no such assignment of this person.
    """
    at = at or now()
    with writing() as db:
        row, queue = _own(db, assignment_id, annotator, at)
        if row.state in ("open", "left"):
            _write(db, row, output, instruction, input)
        if row.state == "open":
            row.expires = at + timedelta(minutes=queue.lease_minutes)
        return Assignment.model_validate(row)


def save(
    assignment_id: int,
    annotator: str,
    output: str,
    instruction: str | None = None,
    input: str | None = None,
    at: datetime | None = None,
) -> Assignment:
    """The label is finished, or goes to review; arguments as for `keep`.

    Raises:
        BadInput: there is no such assignment of this person, it is not open, or a text is missing.
    """
    at = at or now()
    if not output.strip():
        raise BadInput("Write the output first, or skip this one.")
    with writing() as db:
        row, queue = _own(db, assignment_id, annotator, at)
        if row.state != "open":
            raise BadInput(_NOT_OPEN[row.state])
        _write(db, row, output, instruction, input)
        if row.instruction is not None and not row.instruction.strip():
            raise BadInput("Write the instruction: it is what the model will be asked.")
        row.state = "in_review" if queue.review else "done"
        row.saved, row.edited = at, share_edited(row.draft, output)
        row.seconds += min((at - row.taken).total_seconds(), queue.lease_minutes * 60)
        places.recount(db, [row.task_id])
        return Assignment.model_validate(row)


def skip(assignment_id: int, annotator: str, at: datetime | None = None) -> None:
    """Let others have it; it does not come back to this person unless skips are reopened.

    Raises:
        BadInput: there is no such assignment of this person, or it is not open.
    """
    with writing() as db:
        row, _ = _own(db, assignment_id, annotator, at or now())
        if row.state not in ("open", "left"):
            raise BadInput(_NOT_OPEN[row.state])
        row.state = "skipped"
        places.recount(db, [row.task_id])


def put_back(queue_id: int, annotator: str) -> None:
    """Give back the tasks that this person has taken and not touched, so that a reviewer keeps none from the annotators."""
    mine = (AssignmentRow.queue_id == queue_id, AssignmentRow.annotator == annotator, AssignmentRow.state == "open")
    untouched = (*mine, AssignmentRow.output == "", AssignmentRow.saved.is_(None))
    with session() as db:
        if db.scalars(select(AssignmentRow.id).where(*untouched).limit(1)).one_or_none() is None:
            return
    with writing() as db:
        places.lock(db, queue_id)
        change = update(AssignmentRow).where(*untouched).values(state="left").returning(AssignmentRow.task_id)
        places.recount(db, db.scalars(change).all())


def reopen(queue_id: int, annotator: str | None = None) -> None:
    """Take skips back, so that these tasks come again: of one person, or of everybody."""
    skipped = and_(AssignmentRow.queue_id == queue_id, AssignmentRow.state == "skipped")
    if annotator is not None:
        skipped = and_(skipped, AssignmentRow.annotator == annotator)
    with writing() as db:
        places.lock(db, queue_id)
        db.execute(update(AssignmentRow).where(skipped).values(state="left"))


def take_back(queue_id: int, annotator: str, at: datetime | None = None) -> None:
    """Open again what the person saved last, to change it.

    Raises:
        BadInput: nothing was saved, or it is being reviewed or in a dataset already.
    """
    at = at or now()
    with writing() as db:
        queue = places.lock(db, queue_id)
        row = db.scalars(_last_saved(queue_id, annotator)).one_or_none()
        if row is None or not _may_change(row, db.get_one(TaskRow, row.task_id), at):
            raise BadInput(
                "There is nothing to take back: your last one is being reviewed, in a dataset, or not there."
            )
        row.state, row.taken, row.expires = "open", at, at + timedelta(minutes=queue.lease_minutes)


def can_take_back(queue_id: int, annotator: str, at: datetime | None = None) -> bool:
    """Whether `take_back` has something to open."""
    with session() as db:
        row = db.scalars(_last_saved(queue_id, annotator)).one_or_none()
        return row is not None and _may_change(row, db.get_one(TaskRow, row.task_id), at or now())


def count_skipped(queue_id: int, annotator: str) -> int:
    """How many tasks this person has skipped."""
    mine = (AssignmentRow.queue_id == queue_id, AssignmentRow.annotator == annotator, AssignmentRow.state == "skipped")
    with session() as db:
        return db.scalars(select(func.count(AssignmentRow.id)).where(*mine)).one()


_DECIDED = "This one is decided already: the next one lies before you."
_NOT_OPEN = {
    "left": "You left this one for so long that it went to somebody else. What you wrote is kept, the next one lies before you.",
    "skipped": "You have skipped this one already.",
    "done": "You have saved this one already.",
    "in_review": "You have saved this one already.",
    "returned": "This one came back to you: read what the reviewer wants.",
    "accepted": _DECIDED,
    "passed": _DECIDED,
}


def _at_hand(db: Session, queue_id: int, annotator: str, at: datetime) -> Work | None:
    """The open task if its lease is still long: looking takes no lock, and most runs of a page find what they found before."""
    mine = (AssignmentRow.queue_id == queue_id, AssignmentRow.annotator == annotator, AssignmentRow.state == "open")
    row = db.scalars(select(AssignmentRow).where(*mine).order_by(AssignmentRow.taken.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    half = timedelta(minutes=db.get_one(QueueRow, queue_id).lease_minutes / 2)
    return _work(db, row) if row.expires > at + half else None


def _mine(db: Session, queue: QueueRow, annotator: str) -> AssignmentRow | None:
    """What this person has begun: open, then returned by a reviewer, then left and still to be had."""
    has_place = TaskRow.places_taken < queue.overlap
    begun = or_(AssignmentRow.state.in_(("open", "returned")), and_(AssignmentRow.state == "left", has_place))
    order = case({"open": 0, "returned": 1}, value=AssignmentRow.state, else_=2)
    mine = select(AssignmentRow).join(TaskRow, TaskRow.id == AssignmentRow.task_id)
    mine = mine.where(AssignmentRow.queue_id == queue.id, AssignmentRow.annotator == annotator, begun)
    return db.scalars(mine.order_by(order, AssignmentRow.taken.desc()).limit(1)).one_or_none()


def _next(db: Session, queue: QueueRow, annotator: str, at: datetime) -> AssignmentRow | None:
    """A task that has a place and that this person has never had."""
    had = exists().where(AssignmentRow.task_id == TaskRow.id, AssignmentRow.annotator == annotator)
    free = select(TaskRow.id).where(TaskRow.queue_id == queue.id, TaskRow.places_taken < queue.overlap, ~had)
    task_id = db.scalars(free.order_by(TaskRow.places_taken.desc(), TaskRow.id).limit(1)).one_or_none()
    if task_id is None:
        return None
    row = AssignmentRow(
        task_id=task_id, queue_id=queue.id, annotator=annotator, state="open", output="", taken=at, seconds=0.0
    )
    db.add(row)
    return row


def _own(db: Session, assignment_id: int, annotator: str, at: datetime) -> tuple[AssignmentRow, QueueRow]:
    """The person's assignment, its queue locked. If its lease ran out and its place is still free, it is open again."""
    mine = (AssignmentRow.id == assignment_id, AssignmentRow.annotator == annotator)
    queue_id = db.scalars(select(AssignmentRow.queue_id).where(*mine)).one_or_none()
    if queue_id is None:
        raise BadInput("This task is gone: its queue was deleted.")
    queue = places.lock(db, queue_id)
    places.release_expired(db, queue_id, at)
    row = db.get_one(AssignmentRow, assignment_id)
    if row.state == "left" and db.get_one(TaskRow, row.task_id).places_taken < queue.overlap:
        row.state, row.expires = "open", at + timedelta(minutes=queue.lease_minutes)
        places.recount(db, [row.task_id])
    return row, queue


def _write(db: Session, row: AssignmentRow, output: str, instruction: str | None, input: str | None) -> None:
    task = db.get_one(TaskRow, row.task_id)
    row.output = output
    if instruction is not None:
        row.instruction = None if instruction.strip() == task.instruction.strip() else instruction
    if input is not None:
        row.input = None if input.strip() == task.input.strip() else input


def _last_saved(queue_id: int, annotator: str):
    mine = (AssignmentRow.queue_id == queue_id, AssignmentRow.annotator == annotator, AssignmentRow.saved.is_not(None))
    return select(AssignmentRow).where(*mine).order_by(AssignmentRow.saved.desc()).limit(1)


def _may_change(row: AssignmentRow, task: TaskRow, at: datetime) -> bool:
    reviewed_now = task.reviewing_until is not None and task.reviewing_until > at
    return row.state in ("done", "in_review") and row.exported is None and not reviewed_now


def _work(db: Session, row: AssignmentRow) -> Work:
    task = db.get_one(TaskRow, row.task_id)
    return Work(Task.model_validate(task), Assignment.model_validate(row))
