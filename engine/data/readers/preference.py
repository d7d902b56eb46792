"""`{"prompt": …, "chosen": …, "rejected": …}`, each text or a list of messages: one comparison a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.readers.lines import Line, read_lines, turns
from engine.data.records import Preference


def fits(row: dict[str, Any]) -> bool:
    """Whether a line looks like this format."""
    return "chosen" in row and "rejected" in row


def read(path: Path) -> Iterator[Line]:
    """Comparisons as they stand."""
    return read_lines(path, Preference, _fields)


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    replies = {name: turns(row.get(name), "assistant") for name in ("chosen", "rejected")}
    return {"prompt": turns(row.get("prompt"), "user"), **replies}
