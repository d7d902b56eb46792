"""`{"input": …, "target": …}` and `{"instruction": …, "input": …, "output": …}`, mixed line by line.

The two shapes of https://github.com/LianjiaTech/BELLE; one question and one answer a row.
"""

from typing import Any

from engine.data.readers import alpaca
from engine.data.records import Conversation

FIELDS = ("input", "target", "instruction", "output")


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return ("input" in row and "target" in row) or alpaca.fits(row)


def read(row: dict[str, Any]) -> dict[str, Any]:
    """A conversation of two turns."""
    if "target" not in row:
        return alpaca.read(row)
    answer = row["target"]
    if not isinstance(answer, str):
        raise ValueError("the target must be text")
    asked = alpaca.question(row)
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}


def write(record: Conversation) -> dict[str, Any]:
    """The first shape."""
    if [message.role for message in record.messages] != ["user", "assistant"]:
        raise ValueError("the conversation has more than one question and its answer")
    asked, answer = record.messages
    return {"input": asked.content, "target": answer.content}
