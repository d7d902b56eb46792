"""Templates of prompts: `{column}` stands for a row's cell, `{{` and `}}` for braces. Nothing is evaluated."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

from engine.errors import BadInput

_LONE_BRACE = "The template has a brace without a column: write {column} for a cell, and {{ or }} for a brace itself."
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Template:
    """A template that was read.

    Args:
        text: the template.

    Raises:
        BadInput: a brace stands alone, or there is nothing between two.
    """

    def __init__(self, text: str):
        self._parts: list[tuple[str, str | None]] = []
        """Text, and the column whose cell follows it."""
        plain, start = "", 0
        for token in _TOKEN.finditer(text):
            plain += text[start : token.start()]
            start = token.end()
            if token.group() in ("{{", "}}"):
                plain += token.group()[0]
            elif (token.group(1) or "").strip():
                self._parts.append((plain, token.group(1)))
                plain = ""
            else:
                raise BadInput(_LONE_BRACE)
        self._parts.append((plain + text[start:], None))

    @property
    def columns(self) -> list[str]:
        """The columns that it names, each once."""
        return list(dict.fromkeys(name for _, name in self._parts if name is not None))

    def check(self, columns: Sequence[str], file: str) -> None:
        """Refuse a template that names a column which is not there.

        Raises:
            BadInput: naming the column and those there are.
        """
        for name in self.columns:
            refuse_no_column(name, columns, file)

    def fill(self, row: dict[str, Any]) -> str:
        """The text for a row.

        Raises:
            BadInput: the row lacks a column.
        """
        return "".join(text + (_cell(row, name) if name is not None else "") for text, name in self._parts)


def refuse_no_column(name: str, columns: Sequence[str], file: str) -> None:
    """Refuse a column that a file does not have.

    Raises:
        BadInput: it does not.
    """
    if name not in columns and len(columns) == 1 and set(columns[0]) & set(",;|\t"):
        raise BadInput(
            "“{file}” was read as one column, “{column}”: separate cells by commas or tabs, and give each row as many as the header.",
            file=file,
            column=columns[0][:100],
        )
    if name not in columns:
        raise BadInput(
            "“{file}” has no column “{column}”: it has {columns}.",
            file=file,
            column=name,
            columns=", ".join(column[:40] for column in columns[:20]),
        )


def text_of(value: Any) -> str:
    """A cell as text: nothing for an empty one, JSON for what is neither text nor empty."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = to_json(value, bytes_mode="base64", fallback=str)
    return from_json(text) if text.startswith(b'"') else text.decode()  # a date has no quotes


def _cell(row: dict[str, Any], name: str) -> str:
    if name not in row:
        raise BadInput("The row has no column “{column}”.", column=name)
    return text_of(row[name])
