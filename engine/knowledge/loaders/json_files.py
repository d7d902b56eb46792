"""JSON and JSON Lines files as lines of `key: value`, with the way to a nested key spelt out.

Every line therefore stands for itself. Numbers are kept as they are written; keys without a value are left out.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.knowledge.loaders.page import Page, refuse_too_long
from engine.knowledge.loaders.text import read_text

_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, strict=False)
_ENDS = re.compile("\r\n?|\n")


def read(path: Path, name: str) -> Iterator[Page]:
    """The whole file as one page, with a blank line between the elements of a list or the lines of JSON Lines.

    Raises:
        BadInput: it is no JSON, binary, or too long.
    """
    text = read_text(path, name)
    values = _lines(text, name) if _is_lines(name) else _document(text, name)
    blocks: list[str] = []
    length = 0
    for value in values:
        lines: list[str] = []
        for line in _said(value):
            length += len(line) + 1
            refuse_too_long(length, name)
            lines.append(line)
        if lines:
            blocks.append("\n".join(lines))
    yield Page("\n\n".join(blocks))


def _is_lines(name: str) -> bool:
    """Whether a name says that each line is a JSON value of its own."""
    return name.lower().endswith(".jsonl")


def _document(text: str, name: str) -> list[Any]:
    try:
        value = _DECODER.decode(text.strip())
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and "\n" in text[error.pos - 1 : error.pos + 2]:
            return _lines(text, name)  # many programs name JSON Lines so
        raise BadInput(
            "“{file}” is not valid JSON: line {line} is wrong.",
            file=name,
            line=error.lineno,
        ) from error
    except RecursionError as error:
        raise BadInput("“{file}” is nested too deeply to be read.", file=name) from error
    return value if isinstance(value, list) else [value]


def _lines(text: str, name: str) -> list[Any]:
    values = []
    for number, line in enumerate(_ENDS.split(text), 1):
        try:
            if line.strip():
                values.append(_DECODER.decode(line.strip()))
        except json.JSONDecodeError as error:
            raise BadInput("“{file}” is not valid JSON: line {line} is wrong.", file=name, line=number) from error
        except RecursionError as error:
            raise BadInput("“{file}” is nested too deeply to be read.", file=name) from error
    return values


def _said(value: Any) -> Iterator[str]:
    """A value's lines. The way is kept on a stack, so that no depth is too deep."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        way, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{way}.{key}" if way else key, inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
            numbered = list(enumerate(value, 1))
            stack += [(f"{way}[{number}]", inner) for number, inner in reversed(numbered)]
        elif said := "; ".join(filter(None, map(_scalar, value if isinstance(value, list) else [value]))):
            yield f"{way}: {said}" if way else said


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
