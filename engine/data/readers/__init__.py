"""The formats that a file may have, one module each.

A reader is a function from a path to numbered lines: each a record, or the plain reason why that line is none. It streams,
it never stops at a broken line, and it writes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engine.data.readers import messages, preference, prompt_completion, unpaired
from engine.data.readers.lines import Line, read_objects
from engine.data.records import Kind
from engine.errors import BadInput

__all__ = ["FORMATS", "Format", "Line", "detect"]


@dataclass(frozen=True)
class Format:
    """One format: what its rows are, how to read it, and how to know it."""

    kind: Kind
    read: Callable[[Path], Iterator[Line]]
    fits: Callable[[dict[str, Any]], bool]


FORMATS = {
    "messages": Format("messages", messages.read, messages.fits),
    "prompt-completion": Format("messages", prompt_completion.read, prompt_completion.fits),
    "preference": Format("preference", preference.read, preference.fits),
    "unpaired": Format("unpaired", unpaired.read, unpaired.fits),
}

_LOOKED_AT = 100


def detect(path: Path) -> str:
    """The name of the format that most of the first lines have.

    Raises:
        BadInput: none of the first hundred lines looks like a format that is known here.
    """
    names = (_name(row) for _, row in islice(read_objects(path), _LOOKED_AT))
    counts = Counter(name for name in names if name)
    if not counts:
        raise BadInput(
            "“{file}” has no format that can be recognised: each line must be one JSON object in UTF-8, with “messages”, "
            "with “prompt” and “completion” (and perhaps “label”), or with “prompt”, “chosen” and “rejected”.",
            file=path.name,
        )
    return counts.most_common(1)[0][0]


def _name(row: dict[str, Any] | str) -> str | None:
    if isinstance(row, str):
        return None
    return next((name for name, format in FORMATS.items() if format.fits(row)), None)
