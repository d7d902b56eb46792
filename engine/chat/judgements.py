"""What people say of the replies in a chat, written to the feedback store: ratings, votes, and replies kept over others."""

from typing import Unpack

from engine.chat import conversations
from engine.chat.conversations import Message
from engine.chat.turns import prompt_of
from engine.feedback import store
from engine.feedback.schema import Feedback, Judgement, Reply, Side, Winner


def rate(owner: str, line: list[Message], message: Message, **judgement: Unpack[Judgement]) -> Feedback:
    """Judge one reply.

    Args:
        owner: who judges.
        line: the active path the reply is on.
        message: the reply.
        judgement: verdict, rating, correction, tags, comment.
    """
    return store.rate(
        owner,
        _prompt(line, message),
        _reply(message),
        conversation_id=message.conversation_id,
        message_id=message.id,
        **judgement,
    )


def ratings(owner: str, line: list[Message]) -> dict[int | None, Feedback]:
    """What this person has said of the replies in a conversation, by message."""
    if not line:
        return {}
    asked = store.FeedbackFilter(annotator=owner, kind="rating", conversation_id=line[0].conversation_id)
    return {row.message_id: row for row in store.find(asked)}


def vote(owner: str, line: list[Message], a: Message, b: Message, winner: Winner, left: Side) -> None:
    """Judge two replies to the same prompt; the winner's branch becomes the active one.

    Args:
        owner: who judges.
        line: the active path, on which one of the two lies.
        a: one reply.
        b: the other.
        winner: which was better.
        left: which of them was shown on the left.
    """
    store.add(
        "comparison",
        owner,
        _prompt(line, a),
        _reply(a),
        _reply(b),
        winner=winner,
        left_side=left,
        conversation_id=a.conversation_id,
        message_id=a.id,
    )
    for message in (a, b):
        conversations.update_message(owner, message.id, meta={**message.meta, "winner": winner})
    conversations.select_version(owner, b.id if winner == "b" else a.id)


def keep(owner: str, line: list[Message], message: Message) -> None:
    """Record that this version of a reply was kept over those beside it; each pair is recorded once."""
    over: list[int] = message.meta.get("kept_over", [])
    siblings = conversations.children(owner, message.parent_id) if message.parent_id else []
    new = [
        other
        for other in siblings
        if other.role == "assistant"
        and other.id not in (message.id, *over)
        and other.meta.get("pair") is None  # side by side, the vote is what counts
        and other.content.strip()
        and other.content.strip() != message.content.strip()
    ]
    for other in new:
        store.add(
            "kept",
            owner,
            _prompt(line, message),
            _reply(message),
            _reply(other),
            conversation_id=message.conversation_id,
            message_id=message.id,
        )
    if new:
        kept_over = [*over, *(other.id for other in new)]
        conversations.update_message(owner, message.id, meta={**message.meta, "kept_over": kept_over})


def edit_reply(owner: str, line: list[Message], message: Message, text: str) -> None:
    """Put the person's own wording in a reply's place, as a new version kept over it."""
    meta = {**message.meta, "edited": True, "kept_over": [], "pair": None}
    edited = conversations.add_message(owner, message.conversation_id, "assistant", text, message.parent_id, meta)
    keep(owner, line, edited)


def _prompt(line: list[Message], message: Message) -> list[dict[str, str]]:
    before: list[Message] = []
    for turn in line:
        if turn.parent_id == message.parent_id:
            break
        before.append(turn)
    return prompt_of(before, message.meta.get("system", ""))


def _reply(message: Message) -> Reply:
    meta = message.meta
    return Reply(
        text=message.content,
        model=meta.get("model", ""),
        adapter=meta.get("adapter"),
        adapter_fingerprint=meta.get("adapter_fingerprint"),
        sampling=meta.get("sampling", {}),
    )
