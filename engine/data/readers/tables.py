"""CSV (RFC 4180) and TSV: a header, then rows of cells, all of them text.

Strict: a row that the grammar does not allow, or with another number of cells than the header, is broken. A row is never held
beyond 16 MiB, whatever its quotes do.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator

from engine.data.readers.lines import TOO_LONG
from engine.data.readers.streams import LIMIT, read_line
from engine.data.readers.values import NOT_TEXT

Row = dict[str, str] | str | None
"""By the header's names; the reason why there is none; or None for an empty line."""


def split_csv(stream: io.BufferedReader) -> Iterator[Row]:
    """The rows below the header."""
    return _split(stream, ",")


def split_tsv(stream: io.BufferedReader) -> Iterator[Row]:
    """The rows below the header."""
    return _split(stream, "\t")


class _TooLong(Exception):
    """A row goes on and on."""


class _Lines:
    """Decoded lines, and what is to be known about those of the present row."""

    def __init__(self, stream: io.BufferedReader):
        self._stream = stream
        self.begin_row()

    def begin_row(self) -> None:
        self._size = 0
        self.undecodable = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = read_line(self._stream)
        if line == b"":
            raise StopIteration
        self._size += len(line or b"")
        if line is None or self._size > LIMIT:
            raise _TooLong
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.undecodable = True
            return line.decode(errors="replace")


def _split(stream: io.BufferedReader, delimiter: str) -> Iterator[Row]:
    rows = _cells(stream, delimiter)
    header = next((cells for cells in rows if cells), "")
    if isinstance(header, str):
        yield header or None
        return
    header = _different(header)
    for cells in rows:
        if isinstance(cells, str):
            yield cells
        elif not cells:
            yield None
        elif len(cells) != len(header):
            yield "the row has another number of cells than the header"
        else:
            yield dict(zip(header, cells, strict=True))


def _different(header: list[str]) -> list[str]:
    """The names, a second one of the same told apart by a number: no column may hide another."""
    seen: Counter[str] = Counter()
    names = []
    for name in header:
        seen[name] += 1
        names.append(f"{name} ({seen[name]})" if name and seen[name] > 1 else name)
    return names


def _cells(stream: io.BufferedReader, delimiter: str) -> Iterator[list[str] | str]:
    csv.field_size_limit(max(csv.field_size_limit(), LIMIT))  # one number for the whole process
    lines = _Lines(stream)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except _TooLong:
            yield TOO_LONG
        except csv.Error:
            yield "the row breaks the rules of CSV: check its quotes"
        else:
            yield NOT_TEXT if lines.undecodable else cells
