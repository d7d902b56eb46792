"""The rows of a file, one at a time: CSV, TSV, JSON lines, a JSON array, Parquet (all by `engine.data.readers`) and XLSX.

A row that cannot be read is the reason why, in its place. A file of any size is streamed.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from engine.batch import workbooks
from engine.data.readers import detect_container
from engine.data.readers.reading import LOOKED_AT, raw_rows
from engine.errors import BadInput

Row = dict[str, Any] | str
"""A row by its columns' names, or the reason why there is none: an English sentence without a full stop."""

ENDINGS = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet")
"""What a final file may be."""


def read_rows(file: Path) -> Iterator[Row]:
    """All rows in order; empty lines are passed over, so that the first row below a header is number 1.

    Raises:
        BadInput: the file is empty, missing, damaged, or of no kind that is known.
    """
    if not file.is_file():
        raise BadInput("There is no file “{file}”.", file=file)
    if workbooks.is_workbook(file):
        return workbooks.read_rows(file)
    return (row for _, row in raw_rows(file, detect_container(file)))


def columns(file: Path) -> list[str]:
    """The names of the columns in the first hundred rows.

    Raises:
        BadInput: as `read_rows`; or there is not one row.
    """
    stat = file.stat() if file.is_file() else None
    return list(_columns(file, stat and stat.st_mtime_ns, stat and stat.st_size))


@lru_cache(maxsize=16)
def _columns(file: Path, modified: int | None, size: int | None) -> tuple[str, ...]:
    """Of a file as it was changed last: the page asks several times whenever it is drawn."""
    rows = first_rows(file, LOOKED_AT)
    return tuple(dict.fromkeys(name for row in rows if not isinstance(row, str) for name in row))


def first_rows(file: Path, rows: int = 3) -> list[Row]:
    """The first rows as they stand in the file.

    Raises:
        BadInput: as `columns`.
    """
    found = list(islice(read_rows(file), rows))
    if not found:
        raise BadInput("“{file}” has no row below its header: there is nothing to ask.", file=file.name)
    return found


def refuse_ending(out: Path) -> None:
    """Refuse a name that says no kind of file that can be written.

    Raises:
        BadInput: with those that can.
    """
    if out.suffix.lower() not in ENDINGS:
        raise BadInput(
            "“{file}” has an ending that cannot be written: choose one of {known}.",
            file=out.name,
            known=", ".join(ENDINGS),
        )
