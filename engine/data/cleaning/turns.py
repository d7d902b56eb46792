"""What is said in a record, whatever its shape: its turns, their text, a digest, and a copy with other words."""

import hashlib
from collections.abc import Callable
from itertools import chain

from pydantic_core import to_json

from engine.data.records import Conversation, Message, Preference, Record, Unpaired


def turns(record: Record) -> list[Message]:
    """All messages in their order; a preference's chosen reply stands before the rejected one."""
    return list(chain.from_iterable(_parts(record).values()))


def text(record: Record) -> str:
    """All that user and assistant say. Without the system message: many rows share one, and would look alike by it."""
    return "\n".join(turn.content for turn in turns(record) if turn.role != "system")


def last_reply(record: Record) -> str:
    """The last reply that a model is to learn: of a preference the chosen one."""
    messages = record.chosen if isinstance(record, Preference) else turns(record)
    return next(message.content for message in reversed(messages) if message.role == "assistant")


def digest(record: Record) -> bytes:
    """16 bytes, equal only for equal turns, the system message included, and an equal label where there is one."""
    said: list[object] = [[turn.role, turn.content] for turn in turns(record)]
    if isinstance(record, Unpaired):
        said.append(record.label)
    return hashlib.blake2b(to_json(said), digest_size=16).digest()


def rewritten(record: Record, change: Callable[[str], str]) -> Record:
    """The record with each content changed; the same object if no content is another.

    What comes out is not checked: a change can leave a reply empty, for example.
    """
    parts = {name: [_rewritten(turn, change) for turn in messages] for name, messages in _parts(record).items()}
    if all(new is old for new, old in zip(chain.from_iterable(parts.values()), turns(record), strict=True)):
        return record
    return record.model_copy(update=parts)


def _rewritten(turn: Message, change: Callable[[str], str]) -> Message:
    content = change(turn.content)
    return turn if content == turn.content else Message(role=turn.role, content=content)


def _parts(record: Record) -> dict[str, list[Message]]:
    if isinstance(record, Conversation):
        return {"messages": record.messages}
    if isinstance(record, Preference):
        return {"prompt": record.prompt, "chosen": record.chosen, "rejected": record.rejected}
    return {"prompt": record.prompt, "completion": record.completion}
