"""Parquet: rows of typed cells, a hundred at a time, so that a column which unpacks to much more than it takes on disk does no harm."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.readers.lines import TOO_LONG
from engine.data.readers.streams import CHUNK, LIMIT, Place
from engine.data.readers.values import NOT_TEXT

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_MAGIC = b"PAR1"  # https://parquet.apache.org/docs/file-format/
_ROWS = 100


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == _MAGIC


def split(path: Path, place: Place) -> Iterator[dict[str, Any] | str]:
    """The rows, or the reason why there is none.

    Raises:
        EOFError: the file is damaged, from here on or altogether.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    size, rows = path.stat().st_size, 0
    try:
        with ParquetFile(path, buffer_size=CHUNK) as table:
            for batch in table.iter_batches(_ROWS):
                yield from _rows(batch)
                rows += batch.num_rows
                place.position = size * rows // table.metadata.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last from the names of columns
        raise EOFError from error


def _rows(batch: "RecordBatch") -> Iterator[dict[str, Any] | str]:
    if batch.nbytes <= LIMIT:
        try:
            yield from batch.to_pylist()
            return
        except UnicodeDecodeError:  # before the first row
            pass
    for place in range(batch.num_rows):
        yield _row(batch.slice(place, 1))


def _row(row: "RecordBatch") -> dict[str, Any] | str:
    if row.nbytes > LIMIT:
        return TOO_LONG
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError:
        return NOT_TEXT
