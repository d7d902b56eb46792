"""One line of a file, or one cell of a table, as a value: JSON, or what Python prints of a dict or a list.

What cannot be read is a ValueError with a plain reason. The text is hostile: however deep or long it is, reading it takes
bounded time and memory and runs nothing.
"""

import ast
import re
from typing import Any

from pydantic_core import from_json, to_json

LISTS = ("messages", "conversations", "history")
"""Fields that are always lists: in a cell of text, as JSON."""

TRANSCRIPTS = ("prompt", "completion", "chosen", "rejected")
"""Fields that are text or lists of messages."""

_LITERAL = re.compile(rb"\s*(?:\[\s*)?\{\s*'")
_LITERAL_LIMIT = 2**18
"""Bytes. Python's parser takes some 500 bytes of memory and 2 µs for each in the worst case (measured)."""

NOT_TEXT = "the line does not decode as text"
_NOT_JSON = "the line is not valid JSON"


def parse_object(line: bytes) -> dict[str, Any]:
    """The object on one line.

    Raises:
        ValueError: there is none; with a plain reason.
    """
    try:
        # not json.loads: that one takes half surrogates, which no file can hold, and recurses without a bound
        value = from_json(line)
    except ValueError:
        value = _second_look(line)
    if not isinstance(value, dict):
        raise ValueError("the line is not a JSON object")
    return value


def parse_cells(row: dict[str, Any]) -> dict[str, Any]:
    """A table's row with the lists and the source that its cells hold as text. Other cells stay as they are.

    Raises:
        ValueError: a cell that must hold a list does not; with a plain reason.
    """
    parsed = dict(row)
    for name in LISTS:
        if isinstance(cell := row.get(name), str):
            parsed[name] = _list(cell) if cell else None
    for name in TRANSCRIPTS:
        if isinstance(cell := row.get(name), str):
            parsed[name] = _transcript(cell)
    if (source := row.get("source")) is not None:
        parsed["source"] = _source(source)
    return parsed


def _second_look(line: bytes) -> Any:
    """What is no JSON as it stands: a Python literal, or the first line of a file that was joined to another."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ValueError(NOT_TEXT) from None
    if _LITERAL.match(line):
        return _literal(text)
    if text.startswith("\ufeff"):
        try:
            return from_json(text[1:])
        except ValueError:
            pass
    raise ValueError(_NOT_JSON)


def _literal(text: str) -> Any:
    if len(text) > _LITERAL_LIMIT:
        raise ValueError("a line that is a Python literal may have 256 KiB at most: write it as JSON")
    try:
        # JSON and back: what JSON cannot say, such as half surrogates, stays out
        return from_json(to_json(ast.literal_eval(text.strip())))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ValueError("the line is neither valid JSON nor a Python literal") from None


def _list(cell: str) -> Any:
    try:
        value = from_json(cell)
    except ValueError:
        value = _literal(cell) if _LITERAL.match(cell.encode()) else None
    if not isinstance(value, list):
        raise ValueError("a cell that must hold a list holds no JSON list")
    return value


def _transcript(cell: str) -> Any:
    """A list of messages if the cell says one, or its text: a person may well have written `[1, 2]`."""
    if not cell.lstrip().startswith("["):
        return cell
    try:
        value = _list(cell)
    except ValueError:
        return cell
    return value if value and all(isinstance(turn, dict) and "role" in turn for turn in value) else cell


def _source(cell: Any) -> Any:
    try:
        # a nested column may hold what JSON has no word for, such as dates
        return from_json(cell if isinstance(cell, str) else to_json(cell, fallback=str))
    except ValueError:
        return None
