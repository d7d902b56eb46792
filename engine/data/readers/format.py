"""What a row means: one `Format` for each shape that is known, and the way from a row to its record and back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.data.readers import (
    alpaca,
    argilla,
    belle,
    hh,
    messages,
    pairwise,
    preference,
    prompt_completion,
    scored,
    sharegpt,
    unpaired,
)
from engine.data.records import RECORDS, Kind, Record


@dataclass(frozen=True)
class Format:
    """One format: what its rows are, how to know, read and write them."""

    kind: Kind
    fields: tuple[str, ...]
    """The names that a row may have, in the order of a table's columns."""
    fits: Callable[[dict[str, Any]], bool]
    """Whether a row looks like this format."""
    read: Callable[[dict[str, Any]], dict[str, Any]]
    """Takes a row and returns the record's fields, its source aside; ValueError with a plain reason if it has none."""
    write: Callable[[Any], dict[str, Any]] | None = None
    """Takes a record of the kind and returns the row that `read` turns back into it; ValueError with a plain reason if
    this format cannot say it. None for a format that is only read."""


# alpaca before belle and hh before preference, which take all of their rows too; pairwise and scored, whose names are
# the most common ones, get what no other format takes
FORMATS: dict[str, Format] = {
    "alpaca": Format("messages", alpaca.FIELDS, alpaca.fits, alpaca.read, alpaca.write),
    "belle": Format("messages", belle.FIELDS, belle.fits, belle.read, belle.write),
    "sharegpt": Format("messages", sharegpt.FIELDS, sharegpt.fits, sharegpt.read, sharegpt.write),
    "messages": Format("messages", messages.FIELDS, messages.fits, messages.read, messages.write),
    "prompt-completion": Format(
        "messages", prompt_completion.FIELDS, prompt_completion.fits, prompt_completion.read, prompt_completion.write
    ),
    "hh": Format("preference", hh.FIELDS, hh.fits, hh.read),
    "preference": Format("preference", preference.FIELDS, preference.fits, preference.read, preference.write),
    "unpaired": Format("unpaired", unpaired.FIELDS, unpaired.fits, unpaired.read, unpaired.write),
    "argilla": Format("preference", argilla.FIELDS, argilla.fits, argilla.read),
    "pairwise": Format("preference", pairwise.FIELDS, pairwise.fits, pairwise.read),
    "scored": Format("unpaired", scored.FIELDS, scored.fits, scored.read),
}

WRITTEN = tuple(name for name, format in FORMATS.items() if format.write)
"""The formats that are written too, not only read."""

FIELDS = tuple(dict.fromkeys(name for format in FORMATS.values() for name in format.fields))
"""Every name that some format knows."""


def to_record(row: dict[str, Any], format: str) -> Record:
    """The record that a row means.

    Raises:
        ValueError: it means none; see `plain_reason`.
    """
    known = FORMATS[format]
    fields = known.read(row)
    source = row.get("source")
    if isinstance(source, dict):
        fields["source"] = source
    return RECORDS[known.kind].model_validate(fields)


def to_row(record: Record, format: str) -> dict[str, Any]:
    """The row of a format that `to_record` turns back into the same record.

    Raises:
        ValueError: the format cannot say it; with a plain reason.
    """
    known = FORMATS[format]
    if record.kind != known.kind:
        raise ValueError("the row is of another kind")
    if known.write is None:
        raise ValueError("this format is only read")
    row = known.write(record)
    return {**row, "source": record.source} if record.source else row
