"""What formats of compared replies share: the columns that hold them, the prompt before them, and which of them is best.

Replies go by the end of their column's name: `response_a` is `a`, `generations-0` is `0`, and `chosen` is `chosen`.
"""

import re
from typing import Any

from engine.data.readers.alpaca import question
from engine.data.readers.turns import turns, with_system

PROMPTS = ("prompt", "instruction", "question", "input")

_LARGEST = 1e9
_WORDS = "response|reply|answer|completion|output|generations?"
_COLUMN = re.compile(rf"(?:{_WORDS})[-_ ]?(\d{{1,3}}|[ab])|(chosen|rejected)")
_NAMED = re.compile(rf"(?:(?:{_WORDS}|model|assistant|option)[-_ ]?)?(\d{{1,3}}|[ab])|(chosen|rejected)")


def reply_names(row: dict[str, Any]) -> dict[str, str]:
    """The columns that hold replies, by the end of their names."""
    return {end: name for name in row if (end := _end(_COLUMN, name))}


def replies(row: dict[str, Any]) -> dict[str, Any]:
    """The replies that a row has, by the end of their columns' names.

    Raises:
        ValueError: one is neither text nor a list of messages.
    """
    return {end: turns(row[name], "assistant") for end, name in reply_names(row).items() if row[name] is not None}


def named(word: Any, among: dict[str, Any]) -> str | None:
    """Which of the replies a word names, such as `A`, `model_b`, `response-1` or `1`; None if it names none of them."""
    whole = number(word)  # a table makes 1.0 of 1 where some are missing
    end = _end(_NAMED, word if whole is None else f"{whole:g}")
    return end if end in among else None


def prompt(row: dict[str, Any]) -> list[Any]:
    """What was replied to, with its context where the row has one.

    Raises:
        ValueError: it is neither text nor a list of messages.
    """
    asked = next((row[name] for name in PROMPTS if row.get(name) is not None), None)
    if isinstance(asked, str) and isinstance(context := row.get("context"), str):
        asked = question({"instruction": asked, "input": context})
    return with_system(row, turns(asked, "user"))


def compared(row: dict[str, Any], found: dict[str, Any], scores: dict[str, float]) -> dict[str, Any]:
    """The comparison of the reply with the highest score with that of the lowest.

    Args:
        row: has the prompt.
        found: see `replies`.
        scores: of those that were judged, higher for better ones.

    Raises:
        ValueError: none is better than another; with a plain reason.
    """
    if not scores or min(scores.values()) == max(scores.values()):
        raise ValueError("neither reply is preferred")
    best, worst = max(scores, key=scores.__getitem__), min(scores, key=scores.__getitem__)
    return {"prompt": prompt(row), "chosen": found[best], "rejected": found[worst]}


def number(value: Any) -> float | None:
    """A number of a size that judgements have, or the text of one; None if it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < _LARGEST else None  # not for infinities and what is no number either


def _end(pattern: re.Pattern[str], name: Any) -> str | None:
    match = pattern.fullmatch(name[:40].strip().lower()) if isinstance(name, str) else None
    return match and (match[1] or match[2])
