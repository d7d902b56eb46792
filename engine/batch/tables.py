"""The rows of a file, one at a time: CSV, TSV, JSON lines, a JSON array, Parquet (all by `engine.data.readers`) and XLSX.

A row that cannot be read is the reason why, in its place. A file of any size is streamed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any] | str
"""A row by its columns' names, or the reason why there is none: an English sentence without a full stop."""


def read_rows(file: Path) -> Iterator[Row]:
    """All rows in order; empty lines are passed over, so that the first row below a header is number 1.

    Raises:
        BadInput: the file is empty, missing, damaged, or of no kind that is known.
    """
    raise NotImplementedError


def columns(file: Path) -> list[str]:
    """The names of the columns in the first hundred rows.

    Raises:
        BadInput: as `read_rows`; or there is not one row.
    """
    raise NotImplementedError


def first_rows(file: Path, rows: int = 3) -> list[Row]:
    """The first rows as they stand in the file.

    Raises:
        BadInput: as `columns`.
    """
    raise NotImplementedError
