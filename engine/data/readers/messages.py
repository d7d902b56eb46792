"""`{"messages": [{"role": …, "content": …}, …]}`, one conversation a row; perhaps with `"system"`."""

from typing import Any

from engine.data.readers.turns import plain, with_system
from engine.data.records import Conversation

FIELDS = ("messages", "system")


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return "messages" in row


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The conversation as it stands."""
    messages = row.get("messages")
    return {"messages": with_system(row, messages) if isinstance(messages, list) else messages}


def write(record: Conversation) -> dict[str, Any]:
    """The conversation as it stands."""
    return {"messages": plain(record.messages)}
