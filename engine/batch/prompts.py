"""A row becomes the messages that the model is asked; the preview of the first rows; what is wrong with a spec before it runs.

No model or tokenizer is loaded.
"""

from dataclasses import dataclass
from pathlib import Path

from engine.batch.spec import BatchSpec
from engine.errors import BadInput

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Previewed:
    """A row as the model will be asked it."""

    row: int
    """Its number, from 1."""
    messages: Messages
    """Empty if there is a problem."""
    problem: BadInput | None = None
    """Why the row cannot be asked: an error to be shown as any other."""


def preview(file: Path, spec: BatchSpec, rows: int = 3) -> list[Previewed]:
    """The first rows as the model will be asked them.

    Raises:
        BadInput: the file cannot be read, or the template names a column that is missing or has a lone brace.
    """
    raise NotImplementedError


def check(spec: BatchSpec) -> None:
    """Refuse now what would fail later: file, template, columns, model, adapters, schema, judge, place of the final file.

    Raises:
        BadInput: with what to do.
    """
    raise NotImplementedError
