"""A blind session and its items, as records and as tables. Nothing here opens a session of the database.

A vote holds no verdict of its own: that is in its row of feedback, where a person may change it or take it back.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from engine.data.records import Message
from engine.database import Base, UtcTime, now
from engine.feedback.schema import BLIND_TAG, Feedback, Side, Winner, checked


@dataclass(frozen=True)
class Replies:
    """Two replies to one prompt, to be compared."""

    prompt: list[dict[str, str]]
    before: str
    after: str
    """By the new adapter."""
    sampling: dict[str, Any] = field(default_factory=dict)
    """Settings and seed of both, ready for JSON."""

    @property
    def tell_apart(self) -> bool:
        """Whether there is something to compare: feedback takes no empty reply, and equal ones decide nothing."""
        before, after = self.before.strip(), self.after.strip()
        return bool(before and after) and before != after


@dataclass(frozen=True)
class BlindSession:
    """A new adapter compared with an older one, or with the base."""

    id: int
    name: str
    """Shown to those who vote: it should not give away what was trained."""
    adapter: str
    adapter_fingerprint: str | None
    against: str | None
    """None for the base model alone."""
    against_fingerprint: str | None
    base_model: str
    run: str | None
    """The win-rate run whose answers these are."""
    created: datetime
    created_by: str
    closed: datetime | None
    items: int


class SessionRow(Base):
    """`BlindSession` on disk."""

    __tablename__ = "ab_sessions"
    # feedback names the session in a tag: no number is given out twice
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    adapter: Mapped[str] = mapped_column(index=True)
    adapter_fingerprint: Mapped[str | None]
    against: Mapped[str | None]
    against_fingerprint: Mapped[str | None]
    base_model: Mapped[str]
    run: Mapped[str | None] = mapped_column(index=True)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    created_by: Mapped[str]
    closed: Mapped[datetime | None] = mapped_column(UtcTime)


class ItemRow(Base):
    """One prompt with its two replies."""

    __tablename__ = "ab_items"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("ab_sessions.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    prompt: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    before: Mapped[str]
    after: Mapped[str]
    sampling: Mapped[dict[str, Any]] = mapped_column(JSON)


class VoteRow(Base):
    """Who voted on what; it goes with its row of feedback, and the person is asked again."""

    __tablename__ = "ab_votes"
    __table_args__ = (UniqueConstraint("session_id", "item_id", "annotator"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("ab_sessions.id", ondelete="CASCADE"))
    item_id: Mapped[int] = mapped_column(ForeignKey("ab_items.id", ondelete="CASCADE"), index=True)
    annotator: Mapped[str]
    feedback_id: Mapped[int] = mapped_column(ForeignKey("feedback.id", ondelete="CASCADE"), index=True)


def judgement(
    session: SessionRow, item: ItemRow, annotator: str, winner: Winner | None, left: Side, comment: str | None = None
) -> Feedback:
    """A vote as feedback: side a is the new adapter's reply.

    Raises:
        BadInput: a rule of `Feedback` is broken.
    """
    return checked(
        kind="comparison",
        annotator=annotator,
        prompt=[Message.model_validate(turn) for turn in item.prompt],
        reply=item.after,
        model=session.base_model,
        adapter=session.adapter,
        adapter_fingerprint=session.adapter_fingerprint,
        sampling=item.sampling,
        reply_b=item.before,
        model_b=session.base_model,
        adapter_b=session.against,
        adapter_fingerprint_b=session.against_fingerprint,
        sampling_b=item.sampling,
        winner=winner,
        left_side=left,
        tags=[f"{BLIND_TAG}{session.id}"],
        comment=comment,
    )
