"""How rows lie in a file. Each container is split into items, none of which is looked into before somebody asks what it means."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.data.readers import arrays, lines, parquet, tables
from engine.data.readers.streams import DAMAGE, CountedFile, Place, open_text
from engine.data.readers.values import parse_cells, parse_object

TEXT = {"jsonl": lines.split, "json": arrays.split, "csv": tables.split_csv, "tsv": tables.split_tsv}
CONTAINERS = (*TEXT, "parquet")
TABLES = ("csv", "tsv", "parquet")

DAMAGED = "the file is damaged from here on"

Item = bytes | dict[str, Any] | str | None
"""A JSON object as text; a table's row; the reason why there is none; or None for an empty line."""


@dataclass(frozen=True)
class Layout:
    """All that must be known of a file to read it."""

    container: str
    """One of `CONTAINERS`."""
    format: str
    """A key of `FORMATS`, or `auto` where it was not told yet."""
    encoding: str = "utf-8"
    """`utf-8`, `gb18030` or `utf-16`."""
    compression: str = "none"
    """`none`, `gzip` or `zstd`."""
    columns: dict[str, str] = field(default_factory=dict)
    """For each field of the format that has another name in the file, that name."""


def split(path: Path, layout: Layout, place: Place | None = None) -> Iterator[Item]:
    """The items of a file; where it is damaged, one that says so is the last."""
    place = place or Place()
    with CountedFile(path, place) as file:
        try:
            if layout.container == "parquet":
                yield from parquet.split(path, place)
            else:
                yield from TEXT[layout.container](open_text(file, layout.compression, layout.encoding))
        except DAMAGE:
            yield DAMAGED


def raw_row(item: bytes | dict[str, Any]) -> dict[str, Any]:
    """The row that an item is, with the file's own names.

    Raises:
        ValueError: it is none; with a plain reason.
    """
    return parse_object(item) if isinstance(item, bytes) else item


def row(item: bytes | dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """The row that an item is, with the names of the format's fields.

    Raises:
        ValueError: it is none; with a plain reason.
    """
    named = rename(raw_row(item), columns)
    return named if isinstance(item, bytes) else parse_cells(named)


def rename(row: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """A row under the names of fields; what is not mapped keeps its name."""
    if not columns:
        return row
    taken = {*columns, *columns.values()}
    kept = {name: value for name, value in row.items() if name not in taken}
    return {**kept, **{field: row[column] for field, column in columns.items() if column in row}}
