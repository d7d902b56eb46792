"""Files become a dataset: read as a stream, broken lines listed by number, taken up again where a killed import was.

Every twenty thousand lines what is on disk is made sure of and noted; the next attempt at the same import goes on from the
last note. The dataset appears whole at the end. What a file's lines mean is the readers' business.
"""

import hashlib
import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from engine.data import registry
from engine.data.folders import resumable
from engine.data.readers import FORMATS, Layout, Line, Reading, detect
from engine.data.records import Kind
from engine.data.rows import LINES
from engine.errors import BadInput
from engine.files import read_json, sha256, write_json

AT_ONCE = 20_000
"""Lines between two notes: what a killed import does again at most."""
_MOST_BYTES = 64 << 20

_OFFSETS = "offsets"
_NOTE = "note.json"

Progress = Callable[[int, int], None]
"""Takes what is done and what there is; what it raises stops the work, to be taken up again."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    name: str
    rows: int
    broken: int
    broken_file: Path
    """JSON lines `{"file", "line", "reason"}`; empty if nothing was broken."""
    reasons: dict[str, int]
    """How many lines are broken, by reason."""


@dataclass(frozen=True)
class _Source:
    path: Path
    layout: Layout
    sha256: str

    @property
    def origin(self) -> dict[str, Any]:
        return {"file": self.path.name, "sha256": self.sha256, "format": self.layout.format}


@dataclass
class _Note:
    """How far an import is. The sizes are those of the files in the folder when it was made."""

    file: int = 0
    """Files read to their end."""
    items: int = 0
    """Of the next one, what was read of it; see `Reading`."""
    rows: int = 0
    lines_size: int = 0
    broken_size: int = 0


def import_files(
    files: Iterable[Path],
    name: str,
    format: str = "auto",
    columns: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Make a dataset of one file or several; broken lines are listed and do not stop it.

    Args:
        files: in any container and encoding that the readers know.
        name: of the new dataset.
        format: see `engine.data.readers.detect`, which tells each file's for itself.
        columns: for tables, the file's column for each field of the format.
        progress: takes bytes read and bytes there are.

    Raises:
        BadInput: the name is taken or none; a file is missing or unknown; the files are of several kinds; no row is good.
    """
    with registry.free_name(name) as target:
        sources = _sources([Path(file) for file in files], format, columns or {})
        kind = FORMATS[sources[0].layout.format].kind
        facts = _facts(sources)
        with resumable(target) as folder:
            note = _take_up(folder, facts)
            for number in range(note.file, len(sources)):
                _read_file(folder, sources, number, note, facts, progress)
            reasons = _reasons(folder)
            _finish(folder, name, kind, note, sources, reasons.total())
    return Imported(name, note.rows, reasons.total(), target / registry.BROKEN, dict(reasons.most_common()))


def _sources(files: Sequence[Path], format: str, columns: dict[str, str]) -> list[_Source]:
    if not files:
        raise BadInput("Choose at least one file to import.")
    for path in files:
        if not path.is_file():
            raise BadInput("There is no file “{file}”.", file=path)
    layouts = [detect(path, format, columns) for path in files]
    kinds = sorted({FORMATS[layout.format].kind for layout in layouts})
    if len(kinds) > 1:
        raise BadInput(
            "These files hold rows of several kinds ({kinds}): import each kind as a dataset of its own.",
            kinds=", ".join(kinds),
        )
    return [_Source(path, layout, sha256(path)) for path, layout in zip(files, layouts, strict=True)]


def _facts(sources: list[_Source]) -> str:
    """A hash of all that decides what comes out."""
    facts = [[source.path.name, source.sha256, asdict(source.layout)] for source in sources]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _take_up(folder: Path, facts: str) -> _Note:
    """Where an earlier attempt at the same import was, its files cut back to that; or the beginning."""
    path = folder / _NOTE
    note = _Note()
    if path.exists() and (known := read_json(path))["facts"] == facts:
        note = _Note(**known["note"])
    for file, size in ((LINES, note.lines_size), (registry.BROKEN, note.broken_size), (_OFFSETS, 8 * note.rows)):
        with (folder / file).open("ab") as stream:
            stream.truncate(size)
    return note


def _read_file(
    folder: Path, sources: list[_Source], number: int, note: _Note, facts: str, progress: Progress | None
) -> None:
    """Read one file to its end, from where the note says."""
    sizes = [each.path.stat().st_size for each in sources]
    reading = Reading(sources[number].path, sources[number].layout, skip=note.items)
    lines = iter(reading)
    while _write_some(folder, sources[number].path.name, lines, note):
        note.items = reading.items
        _remember(folder, note, facts)
        if progress:
            progress(min(sum(sizes[:number]) + reading.position, sum(sizes)), sum(sizes))
    note.file, note.items = number + 1, 0
    _remember(folder, note, facts)


def _write_some(folder: Path, file: str, lines: Iterator[Line], note: _Note) -> bool:
    """Write the next rows and broken lines, to the disk itself; False if there were none left."""
    offsets = array("Q")
    begun = note.rows, note.broken_size
    end = note.lines_size
    with (
        (folder / LINES).open("ab", buffering=1 << 20) as rows,
        (folder / registry.BROKEN).open("ab") as broken,
        (folder / _OFFSETS).open("ab") as places,
    ):
        for number, record in islice(lines, AT_ONCE):
            if isinstance(record, str):
                broken.write(json.dumps({"file": file, "line": number, "reason": record}).encode() + b"\n")
                continue
            offsets.append(end)
            end += rows.write(registry.line_of(record))
            if end - note.lines_size > _MOST_BYTES:
                break
        offsets.tofile(places)
        for stream in (rows, broken, places):
            stream.flush()
            os.fsync(stream.fileno())
        note.lines_size, note.broken_size = end, broken.tell()
    note.rows += len(offsets)
    return (note.rows, note.broken_size) != begun


def _remember(folder: Path, note: _Note, facts: str) -> None:
    write_json(folder / _NOTE, {"facts": facts, "note": asdict(note)})


def _reasons(folder: Path) -> Counter[str]:
    with (folder / registry.BROKEN).open(encoding="utf-8") as file:
        return Counter(json.loads(line)["reason"] for line in file)


def _finish(folder: Path, name: str, kind: Kind, note: _Note, sources: list[_Source], broken: int) -> None:
    if not note.rows:
        _refuse(folder)
    offsets = array("Q")
    offsets.frombytes((folder / _OFFSETS).read_bytes())
    origins = [source.origin for source in sources]
    registry.write_first_version(
        folder, name, kind, offsets, broken=broken, sources=origins, change={"action": "imported"}
    )
    (folder / _NOTE).unlink()  # first: with no note the next attempt begins anew
    (folder / _OFFSETS).unlink()


def _refuse(folder: Path) -> None:
    with (folder / registry.BROKEN).open(encoding="utf-8") as file:
        first = file.readline()
    if not first:
        raise BadInput("The file is empty: there is nothing to import.")
    raise BadInput("No line can be used. The first, line {line} of “{file}”: {reason}.", **json.loads(first))
