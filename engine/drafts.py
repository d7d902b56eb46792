"""Half-filled forms, kept in the database so that a reload, a page change or a restart loses nothing. Plain JSON values."""

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from engine.database import Base, session, writing


class Draft(Base):
    """One form of one person."""

    __tablename__ = "drafts"

    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    form: Mapped[str] = mapped_column(String(100), primary_key=True)
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)


def load_draft(owner: str, form: str) -> dict[str, Any]:
    """The values last saved, by field; empty if none."""
    with session() as db:
        draft = db.get(Draft, (owner, form))
        return dict(draft.fields) if draft else {}


def save_draft(owner: str, form: str, fields: dict[str, Any]) -> None:
    """Keep the values of a form."""
    with writing() as db:
        db.merge(Draft(owner=owner, form=form, fields=fields))


def drop_draft(owner: str, form: str) -> None:
    """Forget a form that was sent."""
    with writing() as db:
        if draft := db.get(Draft, (owner, form)):
            db.delete(draft)
