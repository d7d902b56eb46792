"""Keeping, changing and finding judgements: a function that returns has its row on disk.

Nothing here knows what a judgement is good for; that is `engine.feedback.export`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select
from sqlalchemy import delete as delete_rows
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session

from engine.data.records import Message
from engine.database import again_if_raced, now, session, writing
from engine.errors import BadInput
from engine.feedback.schema import (
    Feedback,
    FeedbackRow,
    Judgement,
    Kind,
    Reply,
    Side,
    Verdict,
    Winner,
    checked,
    columns,
    utc,
)

Prompt = Sequence[Message | dict[str, str]]


@dataclass(frozen=True)
class FeedbackFilter:
    """Which rows; what is None does not matter."""

    annotator: str | None = None
    kind: Kind | None = None
    verdict: Verdict | None = None
    adapter: str | None = None
    """On either side of a comparison; "" is the base model without an adapter."""
    model: str | None = None
    """On either side of a comparison."""
    conversation_id: int | None = None
    text: str = ""
    """Occurs in the question, a reply, the correction or the comment; capital or small letters alike."""
    since: datetime | None = None
    until: datetime | None = None
    """Created before this moment."""
    limit: int | None = None
    offset: int = 0


def rate(
    annotator: str,
    prompt: Prompt,
    reply: Reply,
    *,
    conversation_id: int | None = None,
    message_id: int | None = None,
    **judgement: Unpack[Judgement],
) -> Feedback:
    """Judge one reply. A person's later words about the same message change the same row, and only what they name.

    Args:
        annotator: who judges.
        prompt: the messages before the reply.
        reply: the reply and what made it.
        conversation_id: where it was said.
        message_id: which message it is; without one each call makes a row.
        judgement: verdict, rating, correction, tags, comment.

    Raises:
        BadInput: a rule of `Feedback` is broken.
    """
    record = checked(
        kind="rating",
        annotator=annotator,
        conversation_id=conversation_id,
        message_id=message_id,
        prompt=prompt,
        **_side(reply),
        **judgement,
    )
    return again_if_raced(_rate, record, list(judgement))  # the same person may have two tabs


def add(
    kind: Kind,
    annotator: str,
    prompt: Prompt,
    reply: Reply,
    other: Reply,
    *,
    winner: Winner | None = None,
    left_side: Side | None = None,
    conversation_id: int | None = None,
    message_id: int | None = None,
    **judgement: Unpack[Judgement],
) -> Feedback:
    """Keep a comparison, or a reply that was kept (`reply`) over one discarded (`other`).

    Args:
        kind: `comparison` or `kept`.
        annotator: who judges.
        prompt: the messages before both replies.
        reply: side a.
        other: side b.
        winner: who won a comparison; None while undecided.
        left_side: which side a comparison showed on the left.
        conversation_id: where it was said.
        message_id: the message of side a.
        judgement: tags, comment, or a correction better than both.

    Raises:
        BadInput: a rule of `Feedback` is broken.
    """
    record = checked(
        kind=kind,
        annotator=annotator,
        conversation_id=conversation_id,
        message_id=message_id,
        prompt=prompt,
        winner="a" if kind == "kept" else winner,
        left_side=left_side,
        **_side(reply),
        **{f"{name}_b": value for name, value in _side(other).items()},
        **judgement,
    )
    with writing() as db:
        return _insert(db, record)


def get(feedback_id: int) -> Feedback:
    """The row with this number.

    Raises:
        BadInput: there is none.
    """
    with session() as db:
        return _found(db.get(FeedbackRow, feedback_id), feedback_id)


def update(feedback_id: int, **changes: Any) -> Feedback:
    """Change some fields of a row.

    Raises:
        BadInput: there is no such row, or the changed row breaks a rule of `Feedback`.
    """
    record = checked(**{**get(feedback_id).model_dump(), **changes, "updated": now()})
    values = {name: value for name, value in columns(record).items() if name in {*changes, "question", "updated"}}
    with writing() as db:
        change = update_rows(FeedbackRow).where(FeedbackRow.id == feedback_id).values(values).returning(FeedbackRow)
        return _found(db.scalars(change).one_or_none(), feedback_id)


def delete(feedback_id: int) -> None:
    """Remove a row.

    Raises:
        BadInput: there is none.
    """
    with writing() as db:
        gone = db.scalars(delete_rows(FeedbackRow).where(FeedbackRow.id == feedback_id).returning(FeedbackRow))
        _found(gone.one_or_none(), feedback_id)


def find(filters: FeedbackFilter = FeedbackFilter()) -> list[Feedback]:
    """The rows that match, newest first."""
    query = _where(select(FeedbackRow), filters).order_by(FeedbackRow.created.desc(), FeedbackRow.id.desc())
    with session() as db:
        rows = db.scalars(query.limit(filters.limit).offset(filters.offset))
        return [Feedback.model_validate(row) for row in rows]


def count(filters: FeedbackFilter = FeedbackFilter()) -> int:
    """How many rows match, whatever the limit and offset."""
    with session() as db:
        return db.scalars(_where(select(func.count(FeedbackRow.id)), filters)).one()


def known_values(*columns: str) -> list[str]:
    """The different values in these columns of all rows, in order; "" where there is none."""
    with session() as db:
        found = {value or "" for name in columns for value in db.scalars(select(getattr(FeedbackRow, name)).distinct())}
    return sorted(found)


def restore(records: list[Feedback]) -> int:
    """Keep judgements that were written elsewhere, in one transaction; those that are here already are left as they are.

    Returns:
        How many were not here yet.
    """
    return again_if_raced(_restore, records)


def _rate(record: Feedback, said: list[str]) -> Feedback:
    values = columns(record)
    rated = and_(
        FeedbackRow.kind == "rating",
        FeedbackRow.annotator == record.annotator,
        FeedbackRow.message_id == record.message_id,
    )
    with writing() as db:
        if record.message_id is None:
            return _insert(db, record)
        same = and_(rated, FeedbackRow.question == record.question, FeedbackRow.reply == record.reply)
        change = {name: values[name] for name in [*said, "updated"]}
        row = db.scalars(update_rows(FeedbackRow).where(same).values(change).returning(FeedbackRow)).one_or_none()
        if row is not None:
            return Feedback.model_validate(row)
        # a row about another text (imported, or the message has changed since) keeps its judgement and loses the number
        db.execute(update_rows(FeedbackRow).where(rated, not_(same)).values(conversation_id=None, message_id=None))
        return _insert(db, record)


def _restore(records: list[Feedback]) -> int:
    new = 0
    with writing() as db:
        for record in records:
            mine = and_(FeedbackRow.annotator == record.annotator, FeedbackRow.kind == record.kind)
            known = and_(mine, FeedbackRow.created == record.created, FeedbackRow.reply == record.reply)
            if db.scalar(select(FeedbackRow.id).where(known).limit(1)):
                continue
            taken = and_(mine, FeedbackRow.message_id == record.message_id)
            if record.kind == "rating" and db.scalar(select(FeedbackRow.id).where(taken).limit(1)):
                # the number means another message in this database
                record = record.model_copy(update={"conversation_id": None, "message_id": None})
            _insert(db, record)
            new += 1
    return new


def _side(reply: Reply) -> dict[str, Any]:
    return {
        "reply": reply.text,
        "model": reply.model,
        "adapter": reply.adapter,
        "adapter_fingerprint": reply.adapter_fingerprint,
        "sampling": reply.sampling,
    }


def _insert(db: Session, record: Feedback) -> Feedback:
    row = FeedbackRow(**columns(record))
    db.add(row)
    db.flush()
    return record.model_copy(update={"id": row.id})


def _found(row: FeedbackRow | None, feedback_id: int) -> Feedback:
    if row is None:
        raise BadInput("There is no feedback number {feedback}.", feedback=feedback_id)
    return Feedback.model_validate(row)


def where_common(query: Select[Any], row: Any, filters: FeedbackFilter) -> Select[Any]:
    """What a filter asks of judgements of replies and of pictures alike: who, what, when, and of which model.

    Args:
        query: to be narrowed.
        row: the table's class.
        filters: what is wanted.
    """
    if filters.annotator is not None:
        query = query.where(row.annotator == filters.annotator)
    if filters.kind is not None:
        query = query.where(row.kind == filters.kind)
    if filters.verdict is not None:
        query = query.where(row.verdict == filters.verdict)
    if filters.model is not None:
        query = query.where(or_(row.model == filters.model, row.model_b == filters.model))
    if filters.since is not None:
        query = query.where(row.created >= utc(filters.since))
    if filters.until is not None:
        query = query.where(row.created < utc(filters.until))
    return query


def _where(query: Select[Any], filters: FeedbackFilter) -> Select[Any]:
    row = FeedbackRow
    query = where_common(query, row, filters)
    if filters.conversation_id is not None:
        query = query.where(row.conversation_id == filters.conversation_id)
    if filters.adapter is not None:
        query = query.where(_has_adapter(filters.adapter))
    if words := filters.text.strip()[:200]:
        places = (row.question, row.reply, row.reply_b, row.correction, row.comment)
        query = query.where(or_(*(place.icontains(words, autoescape=True) for place in places)))
    return query


def _has_adapter(name: str) -> ColumnElement[bool]:
    row = FeedbackRow
    if name:
        return or_(row.adapter == name, row.adapter_b == name)
    return or_(row.adapter.is_(None), and_(row.reply_b.is_not(None), row.adapter_b.is_(None)))
