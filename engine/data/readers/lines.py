"""JSON lines: what the readers of this family share. A line that cannot be read becomes a reason and never stops the rest."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from engine.data.records import Record, plain_reason

Line = tuple[int, Record | str]
"""The line's number, from 1, and the record or the reason why there is none."""

_BOM = b"\xef\xbb\xbf"


def read_lines(path: Path, record: type[Record], fields: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Line]:
    """The records of a JSON lines file, one at a time; empty lines are passed over.

    Args:
        path: UTF-8, with or without a byte order mark.
        record: what each line becomes.
        fields: takes a line's object and returns the record's fields; may raise ValueError with a plain reason.
    """
    for number, row in read_objects(path):
        if isinstance(row, str):
            yield number, row
            continue
        source = row.get("source")
        try:
            yield number, record.model_validate({**fields(row), "source": source if isinstance(source, dict) else {}})
        except ValueError as error:
            yield number, plain_reason(error)


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The numbered JSON objects of a file, or for a line that holds none, the reason."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            line = line.removeprefix(_BOM).strip()
            if line:
                yield number, _object(line)


def turns(value: Any, role: str) -> list[Any]:
    """A field that is either one turn's text or a list of messages, as a list of messages.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list):
        return value
    raise ValueError("prompt and replies must be text or lists of messages")


def _object(line: bytes) -> dict[str, Any] | str:
    try:
        # not json.loads: that one takes half surrogates, which no file can hold, and recurses without a bound
        value = from_json(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "the line is not UTF-8 text"
    except ValueError:
        return "the line is not valid JSON"
    return value if isinstance(value, dict) else "the line is not a JSON object"
