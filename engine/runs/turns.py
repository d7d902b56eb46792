"""The turns of a run: resumes and changes of settings, found among its events without reading the numbers between them."""

import json
from typing import Any

from engine.runs.run import Run

_KINDS = ("resumed", "changed")


def turns(run: Run) -> list[dict[str, Any]]:
    """Events `resumed` and `changed`, in order."""
    path = run.path / "events.jsonl"
    if not path.exists():
        return []
    with path.open("rb") as file:
        found = [_parsed(line) for line in file if b'"event"' in line]
    return [event for event in found if event.get("event") in _KINDS]


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:  # the last line of a killed process may be cut
        return {}
    return event if isinstance(event, dict) else {}
