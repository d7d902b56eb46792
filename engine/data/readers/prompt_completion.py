"""`{"prompt": …, "completion": …}`, each text or a list of messages: one conversation a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.readers.lines import Line, read_lines, turns
from engine.data.records import Conversation


def fits(row: dict[str, Any]) -> bool:
    """Whether a line looks like this format."""
    return "prompt" in row and "completion" in row and "label" not in row


def read(path: Path) -> Iterator[Line]:
    """Conversations: the prompt's turns, then the completion's."""
    return read_lines(path, Conversation, _fields)


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {"messages": turns(row.get("prompt"), "user") + turns(row.get("completion"), "assistant")}
