"""`{"prompt": …, "completion": …, "label": true|false}`, texts or lists of messages: one judged reply a row.

A label may also be a word that says so, such as good or bad.
"""

from typing import Any

from engine.data.readers.scored import as_label
from engine.data.readers.turns import shortest, turns, with_system
from engine.data.records import Unpaired

FIELDS = ("prompt", "completion", "label", "system")


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return "prompt" in row and "completion" in row and "label" in row


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The judged reply as it stands."""
    return {
        "prompt": with_system(row, turns(row.get("prompt"), "user")),
        "completion": turns(row.get("completion"), "assistant"),
        "label": as_label(row.get("label")),
    }


def write(record: Unpaired) -> dict[str, Any]:
    """The judged reply as it stands."""
    return {
        "prompt": shortest(record.prompt, "user"),
        "completion": shortest(record.completion, "assistant"),
        "label": record.label,
    }
