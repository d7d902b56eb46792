"""What a person compares next, and their vote.

Order and sides are hashes of session, item and person: the same after a reload and unlike anybody else's, and for each
person the new adapter stands on the left in exactly half of the items. A vote is one transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from engine.blind.schema import ItemRow, SessionRow, VoteRow, judgement
from engine.blind.sessions import read_row
from engine.database import session, writing
from engine.errors import BadInput
from engine.feedback.schema import FeedbackRow, Side, Winner, columns

Choice = Literal["left", "right", "tie", "both_bad"]


@dataclass(frozen=True)
class BlindItem:
    """What a person sees; nothing in it tells the adapters apart."""

    id: int
    prompt: list[dict[str, str]]
    left: str
    right: str
    place: int
    """Counted from 1, in this person's order."""
    total: int


def next_item(session_id: int, annotator: str) -> BlindItem | None:
    """The next item that this person has not voted on; None when they have voted on all.

    Raises:
        BadInput: there is no such session, or it is closed.
    """
    with session() as db:
        _refuse_closed(read_row(db, session_id))
        ids = _item_ids(db, session_id)
        mine = select(VoteRow.item_id).where(VoteRow.session_id == session_id, VoteRow.annotator == annotator)
        voted = set(db.scalars(mine))
        left = sorted(ids - voted, key=lambda item: _shuffle("order", session_id, item, annotator))
        if not left:
            return None
        item = db.get_one(ItemRow, left[0])
    sides = (
        (item.after, item.before)
        if left_side(session_id, ids, item.id, annotator) == "a"
        else (item.before, item.after)
    )
    return BlindItem(item.id, item.prompt, *sides, place=len(voted) + 1, total=len(ids))


def vote(session_id: int, item_id: int, annotator: str, choice: Choice, comment: str | None = None) -> bool:
    """Keep a person's vote, as a row of feedback; a second vote on the same item is not taken.

    Args:
        session_id: the session.
        item_id: one of its items.
        annotator: who votes.
        choice: which of the two replies, as they stood before this person.
        comment: in their words.

    Returns:
        Whether this is their vote on the item; False if they had voted already.

    Raises:
        BadInput: there is no such session or item, or the session is closed.
    """
    try:
        with writing() as db:
            _vote(db, session_id, item_id, annotator, choice, comment)
    except IntegrityError:  # the table takes one vote of a person on an item; the row of feedback went with it
        return False
    return True


def left_side(session_id: int, items: Collection[int], item_id: int, annotator: str) -> Side:
    """Which side stands on the left before a person: a, the new adapter, for half of the items.

    Args:
        session_id: the session.
        items: the ids of all its items.
        item_id: one of them.
        annotator: the person.
    """
    in_order = sorted(items, key=lambda item: _shuffle("side", session_id, item, annotator))
    return "a" if in_order.index(item_id) < len(in_order) / 2 else "b"


def _vote(db: Session, session_id: int, item_id: int, annotator: str, choice: Choice, comment: str | None) -> None:
    row = read_row(db, session_id, lock=True)
    _refuse_closed(row)
    items = _item_ids(db, session_id)
    if item_id not in items:
        raise BadInput("There is no such prompt in this blind comparison.")
    left = left_side(session_id, items, item_id, annotator)
    winner = _winner(choice, left)
    record = judgement(row, db.get_one(ItemRow, item_id), annotator, winner, left, comment)
    feedback = FeedbackRow(**columns(record))
    db.add(feedback)
    db.flush()
    db.add(VoteRow(session_id=session_id, item_id=item_id, annotator=annotator, feedback_id=feedback.id))


def _winner(choice: Choice, left: Side) -> Winner:
    if choice == "tie" or choice == "both_bad":
        return choice
    return "a" if (choice == "left") == (left == "a") else "b"


def _refuse_closed(row: SessionRow) -> None:
    if row.closed is not None:
        raise BadInput("This blind comparison is closed: thank you, no more votes are needed.")


def _item_ids(db: Session, session_id: int) -> set[int]:
    return set(db.scalars(select(ItemRow.id).where(ItemRow.session_id == session_id)))


def _shuffle(*parts: object) -> bytes:
    return sha256("\0".join(map(str, parts)).encode()).digest()
