"""`{"prompt": …, "completion": …, "label": true|false}`, texts or lists of messages: one judged reply a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.data.readers.lines import Line, read_lines, turns
from engine.data.records import Unpaired


def fits(row: dict[str, Any]) -> bool:
    """Whether a line looks like this format."""
    return "prompt" in row and "completion" in row and "label" in row


def read(path: Path) -> Iterator[Line]:
    """Judged replies as they stand."""
    return read_lines(path, Unpaired, _fields)


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt": turns(row.get("prompt"), "user"),
        "completion": turns(row.get("completion"), "assistant"),
        "label": row.get("label"),
    }
