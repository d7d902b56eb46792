"""`{"messages": [{"role": …, "content": …}, …]}`, one conversation a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.readers.lines import Line, read_lines
from engine.data.records import Conversation


def fits(row: dict[str, Any]) -> bool:
    """Whether a line looks like this format."""
    return "messages" in row


def read(path: Path) -> Iterator[Line]:
    """Conversations as they stand."""
    return read_lines(path, Conversation, lambda row: {"messages": row.get("messages")})
