"""People whose judgements are no longer to be learnt from: these stay in the database and are left out of all training data.

It is by name, so what such a person says later, or what is imported, is left out too. Adapters that learnt from it before
are named by `engine.preferences.lineage`.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from engine.database import Base, UtcTime, now, session, writing
from engine.errors import BadInput
from engine.feedback import pictures
from engine.feedback.schema import Feedback
from engine.feedback.store import FeedbackFilter, count


class WithdrawnRow(Base):
    """One person."""

    __tablename__ = "withdrawn_annotators"

    annotator: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    by: Mapped[str | None]


def withdraw(annotator: str, by: str | None = None) -> int:
    """Leave out what a person said; a second time changes nothing.

    Args:
        annotator: the person.
        by: who asks for it.

    Returns:
        How many judgements are left out.

    Raises:
        BadInput: this person has judged nothing.
    """
    rows = _said(annotator)
    if not rows:
        raise BadInput("There is no feedback of “{name}”: check how the name is written.", name=annotator[:100])
    with writing() as db:
        if not db.get(WithdrawnRow, annotator):
            db.add(WithdrawnRow(annotator=annotator, by=by))
    return rows


def readmit(annotator: str) -> int:
    """Take a withdrawal back.

    Returns:
        How many judgements count again.

    Raises:
        BadInput: it is not withdrawn.
    """
    with writing() as db:
        row = db.get(WithdrawnRow, annotator)
        if row is None:
            raise BadInput("The feedback of “{name}” is not withdrawn.", name=annotator[:100])
        db.delete(row)
    return _said(annotator)


def withdrawn() -> set[str]:
    """The people whose judgements are left out."""
    with session() as db:
        return set(db.scalars(select(WithdrawnRow.annotator)))


def trainable(rows: Iterable[Feedback]) -> list[Feedback]:
    """The judgements that may be learnt from."""
    gone = withdrawn()
    return [row for row in rows if row.annotator not in gone]


def _said(annotator: str) -> int:
    chosen = FeedbackFilter(annotator=annotator)
    return count(chosen) + pictures.count(chosen)
