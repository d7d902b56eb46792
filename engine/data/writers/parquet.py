"""Rows as Parquet: turns are nested columns, as TRL and `datasets` have them."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from engine.data.readers.turns import turns
from engine.data.writers.columns import Cell, columns

if TYPE_CHECKING:
    from pyarrow import DataType

_ROWS = 1000
"""In a row group."""


def write(rows: Iterable[dict[str, Any]], path: Path, format: str) -> None:
    """Write all rows.

    Args:
        rows: of the format.
        path: is overwritten.
        format: a key of `FORMATS`.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    cells = columns(format)
    schema = pa.schema([(name, _type(name, cell)) for name, cell in cells.items()])
    plain = ({name: _value(row.get(name), name, cell) for name, cell in cells.items()} for row in rows)
    with ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(plain, _ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))


def _type(name: str, cell: Cell) -> "DataType":
    import pyarrow as pa

    names = ("from", "value") if name == "conversations" else ("role", "content")
    types = {
        "text": pa.string(),
        "turns": pa.list_(pa.struct([(name, pa.string()) for name in names])),
        "pairs": pa.list_(pa.list_(pa.string())),
        "flag": pa.bool_(),
        "object": pa.string(),
    }
    return types[cell]


def _value(value: Any, name: str, cell: Cell) -> Any:
    """A cell of the column's type: where a row may say a turn as text, the column has messages throughout."""
    if cell == "turns":
        return turns(value, "user" if name == "prompt" else "assistant")
    if cell == "object":
        return None if value is None else to_json(value).decode()
    return value
