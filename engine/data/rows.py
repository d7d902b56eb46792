"""A dataset's rows on disk: one file of lines that only grows, and for each version the places in it of that version's rows.

A version is thus a list of offsets: changing one row of a million appends one line and writes a new list, the old version
stays as it was, and any row of any version is read without passing over those before it. Knows lines, not what they mean.
"""

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.files import write_bytes

LINES = "rows.jsonl"
_OFFSET = "Q"  # unsigned, 8 bytes
_AT_ONCE = 1 << 16
_BUFFER = 1 << 20


def index_path(folder: Path, version: int) -> Path:
    """Where the offsets of a version's rows lie: 8 bytes each, in the order of the rows."""
    return folder / "versions" / f"{version}.rows"


def add_lines(folder: Path, lines: Iterable[bytes]) -> array:
    """Append lines that end with a line break; returns their offsets. For whoever holds the dataset's lock."""
    offsets = array(_OFFSET)
    with (folder / LINES).open("ab", buffering=_BUFFER) as file:
        # what a killed process left behind belongs to no version; a line must not go on where it was cut
        end = file.tell()
        for line in lines:
            offsets.append(end)
            end += file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return offsets


def write_index(folder: Path, version: int, offsets: array) -> None:
    """Make a version of the rows at these offsets."""
    path = index_path(folder, version)
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, offsets.tobytes())


def read_index(folder: Path, version: int, start: int = 0, stop: int | None = None) -> array:
    """The offsets of a version's rows from `start` to before `stop`."""
    offsets = array(_OFFSET)
    with index_path(folder, version).open("rb") as file:
        file.seek(8 * start)
        offsets.frombytes(file.read(-1 if stop is None else 8 * max(0, stop - start)))
    return offsets


def read_lines(folder: Path, version: int, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """A version's lines from row `start` to before row `stop`, one at a time."""
    with (folder / LINES).open("rb", buffering=_BUFFER) as file:
        while stop is None or start < stop:
            end = start + _AT_ONCE if stop is None else min(stop, start + _AT_ONCE)
            offsets = read_index(folder, version, start, end)
            for offset in offsets:
                if offset != file.tell():
                    file.seek(offset)
                yield file.readline()
            if len(offsets) < end - start:
                return
            start = end


def index_lines(folder: Path, rows: int) -> array:
    """The offsets of the first lines of a file that has no version yet, as datasets of older studios have none."""
    offsets = array(_OFFSET)
    end = 0
    with (folder / LINES).open("rb") as file:
        for _ in range(rows):
            offsets.append(end)
            end += len(file.readline())
    return offsets


def digest(folder: Path, version: int) -> str:
    """SHA-256 of a version's lines in their order: of the whole file, where the version is all of it."""
    total = hashlib.sha256()
    for line in read_lines(folder, version):
        total.update(line)
    return total.hexdigest()
