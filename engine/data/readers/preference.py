"""`{"prompt": …, "chosen": …, "rejected": …}`, each text or a list of messages, perhaps with `"system"`: one comparison a row.

The two sides may also be whole conversations that differ in the last turn alone; then the prompt may be missing.
"""

from typing import Any

from engine.data.readers.turns import shortest, turns, with_system
from engine.data.records import Preference

FIELDS = ("prompt", "chosen", "rejected", "system")


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return "chosen" in row and "rejected" in row


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The comparison, its prompt apart from its replies."""
    chosen, rejected = (turns(row.get(name), "assistant") for name in ("chosen", "rejected"))
    prompt = row.get("prompt")
    if len(chosen) > 1 and len(rejected) > 1:
        prompt, chosen, rejected = _shared(prompt, chosen, rejected), chosen[-1:], rejected[-1:]
    return {"prompt": with_system(row, turns(prompt, "user")), "chosen": chosen, "rejected": rejected}


def write(record: Preference) -> dict[str, Any]:
    """The comparison as it stands."""
    return {
        "prompt": shortest(record.prompt, "user"),
        "chosen": shortest(record.chosen, "assistant"),
        "rejected": shortest(record.rejected, "assistant"),
    }


def _shared(prompt: Any, chosen: list[Any], rejected: list[Any]) -> list[Any]:
    """What two whole conversations have in common, if it is all but the replies and not another prompt than the row's."""
    shared = chosen[:-1]
    last = shared[-1].get("content") if isinstance(shared[-1], dict) else None
    if shared != rejected[:-1] or prompt not in (None, "", last, shared):
        raise ValueError("conversations that are compared may differ in the last reply alone")
    return shared
