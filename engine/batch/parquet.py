"""Parquet files with replies: columns added to a Parquet file, whose own stay as they are, or a table of texts."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from engine.batch.template import text_of

_ROWS = 1000
"""In a row group."""


def add_columns(
    source: Path, file: Path, renamed: dict[str, str], types: dict[str, type], values: Iterator[dict[str, Any]]
) -> None:
    """Write a Parquet file again, with columns added.

    Args:
        source: the file.
        file: is overwritten.
        renamed: the file's columns that get other names, and those that keep theirs.
        types: the columns to add.
        values: of these, row by row.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, ParquetWriter

    with ParquetFile(source) as table:
        theirs = [field.with_name(renamed.get(field.name, field.name)) for field in table.schema_arrow]
        ours = _fields(types)
        schema = pa.schema([*theirs, *ours])
        with ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in table.iter_batches(_ROWS):
                added = list(islice(values, batch.num_rows))
                columns = [pa.array([row[field.name] for row in added], field.type) for field in ours]
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema))


def write_texts(file: Path, names: list[str], types: dict[str, type], rows: Iterable[list[Any]]) -> None:
    """Write rows; all columns but ours are text.

    Args:
        file: is overwritten.
        names: of the columns.
        types: of ours, which come last.
        rows: cells in that order.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    theirs = len(names) - len(types)
    schema = pa.schema([*(pa.field(name, pa.string()) for name in names[:theirs]), *_fields(types)])
    rest = iter(rows)
    with ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(rest, _ROWS)):
            plain = [[*map(_text, row[:theirs]), *row[theirs:]] for row in batch]
            columns = [
                pa.array(cells, field.type) for cells, field in zip(zip(*plain, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _fields(types: dict[str, type]) -> list[Any]:
    import pyarrow as pa

    return [pa.field(name, pa.string() if kind is str else pa.float64()) for name, kind in types.items()]


def _text(value: Any) -> str | None:
    return None if value is None else text_of(value)
