"""Canonical records become a file that `engine.data.readers` turns back into the very same records.

    columns    what a table of each format looks like
    text       JSON lines, JSON, CSV and TSV
    parquet    Parquet

Writing streams, and the file appears whole or not at all.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.data.readers.format import WRITTEN, to_row
from engine.data.records import Record
from engine.data.writers import parquet, text
from engine.errors import BadInput
from engine.files import whole_file

__all__ = ["write_file"]

Progress = Callable[[int], None]
"""Takes the rows written; what it raises stops the writing and leaves nothing behind."""

_PACKED = {".gz": "gzip", ".zst": "zstd"}
_PROGRESS_EVERY = 1000


def write_file(records: Iterable[Record], path: Path, format: str, progress: Progress | None = None) -> int:
    """Write records to a new file.

    Args:
        records: all of the format's kind.
        path: its name says how rows lie in it: .jsonl, .ndjson, .json, .csv or .tsv, each perhaps with .gz or .zst, or
            .parquet.
        format: one of `WRITTEN`.
        progress: called now and then, and at the end.

    Returns:
        Rows written.

    Raises:
        BadInput: the file exists, its folder does not, its name says nothing that is known, or a row cannot be said in
            this format.
    """
    if format not in WRITTEN:
        raise BadInput("“{format}” is not a format: choose one of {known}.", format=format, known=", ".join(WRITTEN))
    container, compression = _container(path)
    if path.exists():
        raise BadInput("There is already a file “{file}”: choose another name, or delete that one first.", file=path)
    if not path.parent.is_dir():
        raise BadInput("There is no folder “{folder}” to write to: make it first.", folder=path.parent)
    rows = _Rows(records, format, progress)
    with whole_file(path) as temporary:
        if container == "parquet":
            parquet.write(rows, temporary, format)
        else:
            text.write(rows, temporary, format, container, compression)
    return rows.written


class _Rows:
    """The rows of a format, and how many were taken."""

    def __init__(self, records: Iterable[Record], format: str, progress: Progress | None):
        self._records = records
        self._format = format
        self._progress = progress or (lambda rows: None)
        self.written = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, record in enumerate(self._records, 1):
            yield _row(record, self._format, number)
            self.written = number
            if number % _PROGRESS_EVERY == 0:
                self._progress(number)
        self._progress(self.written)


def _row(record: Record, format: str, number: int) -> dict[str, Any]:
    try:
        return to_row(record, format)
    except ValueError as error:
        raise BadInput(
            "Row {row} cannot be written as {format}: {reason}. Choose {other}, which can say every row.",
            row=number,
            format=format,
            reason=str(error),
            other=record.kind,  # each kind has the name of the format that says all of it
        ) from None


def _container(path: Path) -> tuple[str, str]:
    compression = _PACKED.get(path.suffix.lower(), "none")
    ending = path.suffix if compression == "none" else Path(path.stem).suffix
    container = {".ndjson": "jsonl"}.get(ending.lower(), ending.lower().removeprefix("."))
    if container == "parquet" and compression == "none":
        return container, compression
    if container not in text.CONTAINERS:
        raise BadInput(
            "“{file}” has an ending that says no container: use .jsonl, .json, .csv or .tsv, to which .gz or .zst may be "
            "added, or .parquet.",
            file=path.name,
        )
    return container, compression
