"""`{"prompt": …, "completion": …}`, each text or a list of messages, perhaps with `"system"`: one conversation a row."""

from typing import Any

from engine.data.readers.turns import shortest, turns, with_system
from engine.data.records import Conversation

FIELDS = ("prompt", "completion", "system")


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return "prompt" in row and "completion" in row and "label" not in row


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The prompt's turns, then the completion's."""
    messages = turns(row.get("prompt"), "user") + turns(row.get("completion"), "assistant")
    return {"messages": with_system(row, messages)}


def write(record: Conversation) -> dict[str, Any]:
    """The last turn is the completion."""
    if record.messages[-1].role != "assistant":
        raise ValueError("the conversation does not end with a reply")
    return {
        "prompt": shortest(record.messages[:-1], "user"),
        "completion": shortest(record.messages[-1:], "assistant"),
    }
