"""Rows as JSON lines, a JSON array, CSV (RFC 4180) or TSV, in UTF-8 without a byte order mark, packed or not."""

import codecs
import csv
import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from engine.data.writers.columns import columns

Rows = Iterable[dict[str, Any]]

CONTAINERS = ("jsonl", "json", "csv", "tsv")


def write(rows: Rows, path: Path, format: str, container: str, compression: str) -> None:
    """Write all rows.

    Args:
        rows: of the format.
        path: is overwritten.
        format: a key of `FORMATS`.
        container: one of `CONTAINERS`.
        compression: `none`, `gzip` or `zstd`.
    """
    with _opened(path, compression) as target:
        if container == "jsonl":
            for row in rows:
                target.write(to_json(row) + b"\n")
        elif container == "json":
            _write_array(rows, target)
        else:
            _write_table(rows, target, format, "," if container == "csv" else "\t")


@contextmanager
def _opened(path: Path, compression: str) -> Iterator[Any]:
    """Something that takes bytes."""
    with path.open("wb") as file:
        if compression == "gzip":
            # no name and no time in the header: equal rows make equal files
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield packed
        elif compression == "zstd":
            import pyarrow as pa

            with pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd") as packed:
                yield packed
        else:
            yield file


def _write_array(rows: Rows, target: Any) -> None:
    before = b"[\n"
    for row in rows:
        target.write(before + to_json(row))
        before = b",\n"
    target.write(b"\n]\n" if before == b",\n" else b"[]\n")


def _write_table(rows: Rows, target: Any, format: str, delimiter: str) -> None:
    names = list(columns(format))
    table = csv.writer(codecs.getwriter("utf-8")(target), delimiter=delimiter, lineterminator="\r\n")
    table.writerow(names)
    for row in rows:
        table.writerow([_cell(row.get(name)) for name in names])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()
