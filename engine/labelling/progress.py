"""How far a queue is, and who did what. Only counts; the database does the counting."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, select

from engine.database import now, session
from engine.labelling.schema import AssignmentRow, Queue, TaskRow


@dataclass(frozen=True)
class Progress:
    """A queue's tasks, each in one place."""

    tasks: int
    done: int
    """Finished: as many labels as wanted, or one that a reviewer took."""
    in_review: int
    """All answers are in, and wait for a reviewer."""
    in_work: int
    """Somebody has it, or some answers are still missing."""
    skipped: int
    """Nobody has it, and somebody skipped it."""
    left: int
    """Nobody has touched it, or whoever did has left it."""


@dataclass(frozen=True)
class Person:
    """What one annotator did."""

    name: str
    saved: int
    """Labels, whatever the reviewers made of them."""
    accepted: int
    returned: int
    skipped: int
    per_hour: float | None
    """Labels in an hour of work; None before the first."""


def progress(queue: Queue, at: datetime | None = None) -> Progress:
    """Where the queue's tasks are."""
    one = AssignmentRow
    open_ = and_(one.state == "open", one.expires >= (at or now()))
    counted = {
        "accepted": one.state == "accepted",
        "done": one.state == "done",
        "in_review": one.state == "in_review",
        "held": one.state.in_(("returned", "done", "in_review")) | open_,
        "skipped": one.state == "skipped",
    }
    sums = [func.sum(case((condition, 1), else_=0)).label(name) for name, condition in counted.items()]
    task = select(one.task_id, *sums).where(one.queue_id == queue.id).group_by(one.task_id).subquery()
    place = case(
        ((task.c.accepted > 0) | (task.c.done >= queue.overlap), "done"),
        (task.c.in_review >= queue.overlap, "in_review"),
        (task.c.held > 0, "in_work"),
        (task.c.skipped > 0, "skipped"),
        else_="left",
    )
    each = select(place.label("place")).subquery()
    with session() as db:
        tasks = db.scalars(select(func.count(TaskRow.id)).where(TaskRow.queue_id == queue.id)).one()
        rows = db.execute(select(each.c.place, func.count()).group_by(each.c.place)).tuples()
        places = dict(rows.all())
    touched = {name: places.get(name, 0) for name in ("done", "in_review", "in_work", "skipped")}
    return Progress(tasks=tasks, left=tasks - sum(touched.values()), **touched)


def people(queue: Queue) -> list[Person]:
    """The annotators, the busiest first."""
    one = AssignmentRow

    def number(condition):
        return func.sum(case((condition, 1), else_=0))

    saved = one.saved.is_not(None)
    query = select(
        one.annotator,
        number(saved),
        number(one.state == "accepted"),
        number(one.state == "returned"),
        number(one.state == "skipped"),
        func.sum(one.seconds),
    )
    with session() as db:
        rows = db.execute(query.where(one.queue_id == queue.id).group_by(one.annotator)).tuples()
        found = [
            Person(name, saved, accepted, returned, skipped, 3600 * saved / seconds if seconds else None)
            for name, saved, accepted, returned, skipped, seconds in rows
        ]
    return sorted(found, key=lambda person: (-person.saved, person.name))
