"""Saved chats: the messages of a conversation form a tree, and the conversation remembers its active leaf.

A message's siblings are its versions: a regenerated reply, an edited question, the two replies of a comparison. Every
function takes the owner and refuses what is somebody else's, as numbers are easily guessed. Nothing here talks to a model.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, ForeignKey, ScalarSelect, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from engine.database import Base, UtcTime, now, session, writing
from engine.errors import BadInput

Role = Literal["system", "user", "assistant"]
TITLE_LENGTH = 60
KNOWLEDGE = "knowledge"
"""Settings have this field if the conversation is about knowledge bases: the ids of those that are asked."""


@dataclass(frozen=True)
class Conversation:
    """A saved chat."""

    id: int
    owner: str
    title: str
    settings: dict[str, Any]
    leaf_id: int | None
    """The last message of the active path; None while there is no message."""
    created: datetime
    updated: datetime


@dataclass(frozen=True)
class Message:
    """One message of a saved chat."""

    id: int
    conversation_id: int
    parent_id: int | None
    role: str
    content: str
    meta: dict[str, Any]
    created: datetime
    versions: tuple[int, ...]
    """The messages with the same parent, this one among them, oldest first."""


class ConversationRow(Base):
    """`Conversation` on disk."""

    __tablename__ = "conversations"
    # a number is never given out twice: feedback outlives the messages that it names
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    leaf_id: Mapped[int | None]
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)
    updated: Mapped[datetime] = mapped_column(UtcTime, default=now)


class MessageRow(Base):
    """`Message` on disk."""

    __tablename__ = "messages"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"), index=True)
    role: Mapped[str]
    content: Mapped[str]
    meta: Mapped[dict[str, Any]] = mapped_column(JSON)
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)


def create(owner: str, title: str = "", settings: dict[str, Any] | None = None) -> Conversation:
    """A new conversation. Without a title it takes the beginning of its first question.

    Args:
        owner: whose it is.
        title: at most `TITLE_LENGTH` characters are kept.
        settings: what the page wants to find again, ready for JSON.
    """
    with writing() as db:
        row = ConversationRow(owner=owner, title=_shorten(title), settings=settings or {})
        db.add(row)
        db.flush()
        return _conversation(row)


def get(owner: str, conversation_id: int) -> Conversation:
    """One conversation.

    Raises:
        BadInput: it does not exist or is somebody else's (so for every function here).
    """
    with session() as db:
        return _conversation(_own(db, owner, conversation_id))


def find(owner: str, search: str = "", knowledge: bool | None = None) -> list[Conversation]:
    """The owner's conversations, last used first.

    Args:
        owner: whose.
        search: only those with these words in the title or a message.
        knowledge: only those about knowledge bases (their settings name the bases), or only the others; None for all.
    """
    query = select(ConversationRow).where(ConversationRow.owner == owner)
    if words := search.strip()[:200]:
        said = select(MessageRow.id).where(
            MessageRow.conversation_id == ConversationRow.id, MessageRow.content.icontains(words, autoescape=True)
        )
        query = query.where(or_(ConversationRow.title.icontains(words, autoescape=True), said.exists()))
    with session() as db:
        rows = db.scalars(query.order_by(ConversationRow.updated.desc(), ConversationRow.id.desc()))
        return [_conversation(row) for row in rows if knowledge in (None, KNOWLEDGE in row.settings)]


def rename(owner: str, conversation_id: int, title: str) -> None:
    """Give a conversation another title; an empty one is refused."""
    if not title.strip():
        raise BadInput("A conversation needs a title.")
    with writing() as db:
        _own(db, owner, conversation_id).title = _shorten(title)


def save_settings(owner: str, conversation_id: int, settings: dict[str, Any]) -> None:
    """Replace a conversation's settings."""
    with writing() as db:
        _own(db, owner, conversation_id).settings = settings


def delete(owner: str, conversation_id: int) -> None:
    """Remove a conversation and its messages; feedback about them stays."""
    with writing() as db:
        db.delete(_own(db, owner, conversation_id))  # the database takes the messages along


def add_message(
    owner: str,
    conversation_id: int,
    role: Role,
    content: str,
    parent_id: int | None,
    meta: dict[str, Any] | None = None,
    activate: bool = True,
) -> Message:
    """Add a message below `parent_id`, beside whatever is there already.

    Args:
        owner: whose conversation it is.
        conversation_id: the conversation.
        role: who speaks.
        content: the text; a reply that streams begins empty.
        parent_id: the message it answers; None for a first message.
        meta: what else is known, such as model, adapter and seed, ready for JSON.
        activate: whether the active path now ends here.
    """
    if role not in get_args(Role):
        raise BadInput("A message's role is system, user or assistant.")
    with writing() as db:
        conversation = _own(db, owner, conversation_id)
        if parent_id is not None:
            _check_parent(db, conversation_id, parent_id)
        row = MessageRow(
            conversation_id=conversation_id, parent_id=parent_id, role=role, content=content, meta=meta or {}
        )
        db.add(row)
        db.flush()
        conversation.updated = row.created
        if activate:
            conversation.leaf_id = row.id
        if not conversation.title and role == "user":
            conversation.title = _shorten(content)
        siblings = _rows(db, MessageRow.conversation_id == conversation_id, MessageRow.parent_id == parent_id)
        return _message(row, siblings)


def update_message(owner: str, message_id: int, content: str | None = None, meta: dict[str, Any] | None = None) -> None:
    """Replace a message's text or meta; None leaves it. For a reply that is saved while it streams."""
    with writing() as db:
        _own(db, owner, _conversation_of(message_id))
        row = db.get_one(MessageRow, message_id)
        row.content = row.content if content is None else content
        row.meta = row.meta if meta is None else meta


def path(owner: str, conversation_id: int) -> list[Message]:
    """The active path, from the first message to the leaf."""
    with session() as db:
        at = _own(db, owner, conversation_id).leaf_id
        rows = _rows(db, MessageRow.conversation_id == conversation_id)
    by_id = {row.id: row for row in rows}
    by_parent: dict[int | None, list[MessageRow]] = defaultdict(list)
    for row in rows:
        by_parent[row.parent_id].append(row)
    line: list[Message] = []
    while row := by_id.get(at) if at is not None else None:
        line.append(_message(row, by_parent[row.parent_id]))
        at = row.parent_id
    return line[::-1]


def select_version(owner: str, message_id: int) -> None:
    """Make the branch of this message active, down to its most recent leaf."""
    with writing() as db:
        conversation = _own(db, owner, _conversation_of(message_id))
        pairs = select(MessageRow.id, MessageRow.parent_id).where(MessageRow.conversation_id == conversation.id)
        # a child's number is higher than its parent's: parents come first, and the highest number below is a leaf
        below = {message_id}
        for child, parent in db.execute(pairs.order_by(MessageRow.id)):
            if parent in below:
                below.add(child)
        conversation.leaf_id = max(below)


def children(owner: str, message_id: int) -> list[Message]:
    """The messages directly below one, oldest first."""
    with session() as db:
        _own(db, owner, _conversation_of(message_id))
        rows = _rows(db, MessageRow.parent_id == message_id)
        return [_message(row, rows) for row in rows]


def _own(db: Session, owner: str, conversation_id: int | ScalarSelect[int]) -> ConversationRow:
    # two tabs that write come one after the other (SQLite locks the whole database, and ignores `with_for_update`)
    mine = select(ConversationRow).where(ConversationRow.id == conversation_id, ConversationRow.owner == owner)
    row = db.scalars(mine.with_for_update()).one_or_none()
    if row is None:
        if isinstance(conversation_id, int):
            raise BadInput("There is no conversation {conversation}.", conversation=conversation_id)
        raise BadInput("There is no conversation with this message.")
    return row


def _conversation_of(message_id: int) -> ScalarSelect[int]:
    return select(MessageRow.conversation_id).where(MessageRow.id == message_id).scalar_subquery()


def _check_parent(db: Session, conversation_id: int, parent_id: int) -> None:
    parent = db.get(MessageRow, parent_id)
    if parent is None or parent.conversation_id != conversation_id:
        raise BadInput("There is no message {message} in this conversation.", message=parent_id)


def _rows(db: Session, *where: Any) -> list[MessageRow]:
    return list(db.scalars(select(MessageRow).where(*where).order_by(MessageRow.id)))


def _shorten(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"


def _conversation(row: ConversationRow) -> Conversation:
    return Conversation(row.id, row.owner, row.title, row.settings, row.leaf_id, row.created, row.updated)


def _message(row: MessageRow, siblings: list[MessageRow]) -> Message:
    versions = tuple(sibling.id for sibling in siblings)
    return Message(row.id, row.conversation_id, row.parent_id, row.role, row.content, row.meta, row.created, versions)
