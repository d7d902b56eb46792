"""Reading a file whose layout is known: as records, or as the raw rows that a person looks at before an import."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from engine.data.readers.containers import Layout, raw_row, row, split
from engine.data.readers.format import to_record
from engine.data.readers.streams import Place
from engine.data.records import Record, plain_reason

Line = tuple[int, Record | str]
"""The number of a line of JSON lines or of a row, from 1, and the record or the reason why there is none."""

LOOKED_AT = 100
"""Rows by which a file is judged."""


class Reading:
    """The numbered records of a file, one at a time, with the reasons where there is none. Empty lines are passed over.

    Args:
        path: the file.
        layout: as `detect` tells it.
        skip: items to pass over without looking into them: what `items` was where an earlier reading ended.
    """

    def __init__(self, path: Path, layout: Layout, skip: int = 0):
        self._path = path
        self._layout = layout
        self._skip = skip
        self._place = Place()
        self.items = skip
        """Lines or rows passed, the last that was given among them, broken ones and empty lines counted."""

    @property
    def position(self) -> int:
        """Bytes of the file on disk read so far, a little ahead of the rows."""
        return self._place.position

    def __iter__(self) -> Iterator[Line]:
        items = split(self._path, self._layout, self._place)
        for number, item in enumerate(islice(items, self._skip, None), self._skip + 1):
            self.items = number
            if item is not None:
                yield number, self._meaning(item)

    def _meaning(self, item: bytes | dict[str, Any] | str) -> Record | str:
        if isinstance(item, str):
            return item
        try:
            return to_record(row(item, self._layout.columns), self._layout.format)
        except ValueError as error:
            return plain_reason(error)


def sample(path: Path, layout: Layout, rows: int = 5) -> list[tuple[int, dict[str, Any] | str]]:
    """The first rows as they stand in the file, for a preview: numbered, under the file's own names, broken ones as reasons."""
    return list(islice(raw_rows(path, layout), rows))


def column_names(path: Path, layout: Layout) -> list[str]:
    """The file's names of the columns in the first hundred rows, in the order in which they come up."""
    names: dict[str, None] = {}
    for _, found in islice(raw_rows(path, layout), LOOKED_AT):
        if not isinstance(found, str):
            names.update(dict.fromkeys(found))
    return list(names)


def raw_rows(path: Path, layout: Layout) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The numbered rows as they stand in the file."""
    for number, item in enumerate(split(path, layout), 1):
        if item is not None:
            yield number, _raw(item)


def _raw(item: bytes | dict[str, Any] | str) -> dict[str, Any] | str:
    try:
        return item if isinstance(item, str) else raw_row(item)
    except ValueError as error:
        return str(error)
