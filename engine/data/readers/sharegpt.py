"""`{"conversations": [{"from": …, "value": …}, …]}`, perhaps with `"system"`; one conversation a row.

The names of the speakers are those that ShareGPT's exports and the sets made of them use.
"""

from typing import Any

from engine.data.readers.turns import with_system
from engine.data.records import Conversation

FIELDS = ("conversations", "system")

_ROLES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
}
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return "conversations" in row


def read(row: dict[str, Any]) -> dict[str, Any]:
    """A conversation, turn by turn."""
    turns = row.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ValueError("conversations must be a list of objects with “from” and “value”")
    return {"messages": with_system(row, [_message(turn) for turn in turns])}


def write(record: Conversation) -> dict[str, Any]:
    """All turns, the system's among them."""
    return {"conversations": [{"from": _SPEAKERS[turn.role], "value": turn.content} for turn in record.messages]}


def _message(turn: dict[str, Any]) -> dict[str, Any]:
    speaker = turn.get("from", turn.get("role"))
    return {"role": _ROLES.get(str(speaker)), "content": turn.get("value", turn.get("content"))}
