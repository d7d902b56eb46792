"""Which adapter answers in a new chat: a person promotes one for its base model, and it can be undone.

Nothing here decides by itself, and nothing is deleted: what was promoted, by whom and on which figures stays in the table.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from engine.adapters.store import read_adapter
from engine.database import Base, UtcTime, now, session, writing
from engine.errors import BadInput


@dataclass(frozen=True)
class Promotion:
    """An adapter made the default in chat."""

    id: int
    adapter: str
    fingerprint: str
    base_model: str
    by: str
    created: datetime
    figures: dict[str, Any]
    """What the person saw when they decided."""
    undone: datetime | None
    undone_by: str | None


class PromotionRow(Base):
    """`Promotion` on disk."""

    __tablename__ = "promotions"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    adapter: Mapped[str]
    fingerprint: Mapped[str]
    base_model: Mapped[str] = mapped_column(index=True)
    by: Mapped[str]
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    undone: Mapped[datetime | None] = mapped_column(UtcTime)
    undone_by: Mapped[str | None]


def promote(name: str, by: str, figures: dict[str, Any]) -> Promotion:
    """Make an adapter the default in chat for its base model. Only ever called because a person asked.

    Args:
        name: a chat adapter.
        by: who decided.
        figures: what they saw, ready for JSON.

    Raises:
        BadInput: there is no such chat adapter, its base is unknown, or it is the default already.
    """
    adapter = read_adapter(name, kind="chat")
    base = adapter.card.base_model
    if not base:
        raise BadInput("It is not known which model “{name}” was made for: it cannot be a default.", name=name)
    row = PromotionRow(adapter=name, fingerprint=adapter.fingerprint, base_model=base, by=by, figures=figures)
    with writing() as db:
        current = _current(db, base)
        if current is not None and (current.adapter, current.fingerprint) == (name, row.fingerprint):
            raise BadInput("“{name}” is the default in chat already.", name=name)
        db.add(row)
        db.flush()
        return _record(row)


def undo(by: str, base_model: str | None = None) -> Promotion:
    """Take the last promotion back: the one before it holds again, or none.

    Args:
        by: who takes it back.
        base_model: of this model; None takes the last of all.

    Returns:
        The promotion that holds no more.

    Raises:
        BadInput: there is none.
    """
    with writing() as db:
        row = _current(db, base_model)
        if row is None:
            raise BadInput("No adapter is the default in chat: there is nothing to undo.")
        row.undone, row.undone_by = now(), by
        return _record(row)


def current(base_model: str) -> Promotion | None:
    """The promotion that holds for a model, if its adapter is still there and has the same weights."""
    with session() as db:
        row = _current(db, base_model)
    if row is None:
        return None
    try:
        unchanged = read_adapter(row.adapter, kind="chat").fingerprint == row.fingerprint
    except BadInput:
        return None
    return _record(row) if unchanged else None


def default_adapter(base_model: str) -> str | None:
    """The adapter that answers in a new chat with this model; None for the base alone."""
    promotion = current(base_model)
    return promotion.adapter if promotion else None


def history() -> list[Promotion]:
    """Every promotion, newest first."""
    with session() as db:
        return [_record(row) for row in db.scalars(select(PromotionRow).order_by(PromotionRow.id.desc()))]


def _current(db: Session, base_model: str | None) -> PromotionRow | None:
    query = select(PromotionRow).where(PromotionRow.undone.is_(None))
    if base_model is not None:
        query = query.where(PromotionRow.base_model == base_model)
    return db.scalars(query.order_by(PromotionRow.id.desc()).limit(1)).one_or_none()


def _record(row: PromotionRow) -> Promotion:
    what = (row.adapter, row.fingerprint, row.base_model)
    return Promotion(row.id, *what, row.by, row.created, row.figures, row.undone, row.undone_by)
