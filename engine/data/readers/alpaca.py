"""`{"instruction": …, "input": …, "output": …}`, perhaps with `"system"` and `"history": [[question, answer], …]`.

https://github.com/tatsu-lab/stanford_alpaca#data-release; system and history as LLaMA-Factory has them.
"""

from typing import Any

from engine.data.readers.turns import Turns, with_system
from engine.data.records import Conversation, Message

FIELDS = ("instruction", "input", "output", "system", "history")


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return "instruction" in row and "output" in row


def read(row: dict[str, Any]) -> dict[str, Any]:
    """A conversation; instruction and input are one question."""
    answer = row.get("output")
    if not isinstance(answer, str):
        raise ValueError("the output must be text")
    messages = _pair(question(row), answer)
    if history := row.get("history"):
        messages = _history(history) + messages
    return {"messages": with_system(row, messages)}


def write(record: Conversation) -> dict[str, Any]:
    """The last question and answer, and what came before them."""
    first, *rest = record.messages
    system, turns = (first.content, rest) if first.role == "system" else (None, record.messages)
    if system == "":
        raise ValueError("the system message is empty")
    if turns[-1].role != "assistant":
        raise ValueError("the conversation does not end with a reply")
    row = {"instruction": turns[-2].content, "input": "", "output": turns[-1].content}
    if system:
        row["system"] = system
    if pairs := _pairs(turns[:-2]):
        return {**row, "history": pairs}
    return row


def question(row: dict[str, Any]) -> str:
    """Instruction and input, with a blank line between them where both have text.

    Raises:
        ValueError: one of them is no text, or both are missing.
    """
    instruction, given = row.get("instruction"), row.get("input")
    if instruction is None or given is None:
        instruction, given = (given if instruction is None else instruction), ""
    if not isinstance(instruction, str) or not isinstance(given, str):
        raise ValueError("instruction and input must be text")
    if not given or given.isspace():
        return instruction
    return f"{instruction}\n\n{given}" if instruction.strip() else given


def _history(history: Any) -> Turns:
    try:
        pairs = [(asked, answered) for asked, answered in history]
    except (TypeError, ValueError):
        raise ValueError("the history must be a list of pairs of a question and its answer") from None
    return [turn for pair in pairs for turn in _pair(*pair)]


def _pair(asked: Any, answered: Any) -> Turns:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


def _pairs(turns: list[Message]) -> list[list[str]]:
    return [[turns[i].content, turns[i + 1].content] for i in range(0, len(turns), 2)]
