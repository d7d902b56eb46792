"""The file that a run reads: counted once, and refused when it is no longer the same, for results name rows by their numbers.

What was counted is `input.json` in the run directory.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.batch import tables
from engine.batch.spec import BatchSpec
from engine.batch.tables import Row
from engine.errors import BadInput
from engine.files import read_json, sha256, write_json
from engine.runs import Run

_LOOK_EVERY = 1000
_MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class Source:
    """What is known of the file."""

    file: str
    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970."""
    rows: int
    columns: list[str]
    """Of all rows, in the order in which they come up."""
    digest: str
    """SHA-256 of its content: a file that was touched or copied back is still the same."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.file)

    def read(self) -> Iterator[tuple[int, Row]]:
        """The rows, numbered from 1."""
        return enumerate(tables.read_rows(self.path), 1)


def spec_of(run: Run) -> BatchSpec:
    """What a run was asked to do."""
    return BatchSpec.model_validate(run.spec())


def count(run: Run, look: Callable[[], None]) -> Source:
    """The run's source; counts its rows the first time.

    Args:
        run: the run.
        look: called every thousand rows; what it raises ends the counting.

    Raises:
        BadInput: the file cannot be read, has no row, or has changed since.
    """
    if _note(run).exists():
        return read_source(run)
    file = spec_of(run).file
    before = {**_stamp(file), "digest": sha256(file)}  # a file that changes while it is counted is another one then
    columns: dict[str, None] = dict.fromkeys(tables.columns(file))
    rows = 0
    for row in tables.read_rows(file):
        if rows % _LOOK_EVERY == 0:
            look()
        rows += 1
        if not isinstance(row, str) and row.keys() - columns.keys() and len(columns) < _MOST_COLUMNS:
            columns.update(dict.fromkeys(row))
    source = Source(**before, rows=rows, columns=list(columns))
    write_json(_note(run), dataclasses.asdict(source))
    return source


def read_source(run: Run) -> Source:
    """The source of a run that has counted it.

    Raises:
        BadInput: the file has changed since or is gone, or the run has not counted it yet.
    """
    if not _note(run).exists():
        raise BadInput("The run {run} has not read its file yet: wait a moment.", run=run.id)
    source = Source(**read_json(_note(run)))
    now = _stamp(source.path)
    if now["modified"] == source.modified and now["size"] == source.size:
        return source
    if now["size"] != source.size or sha256(source.path) != source.digest:
        raise BadInput(
            "“{file}” has changed since the run began, so nobody knows which row a reply belongs to: put the old file back, or start a new run. The replies by row number are in {results}.",
            file=source.path,
            results=run.path / "results.jsonl",
        )
    source = dataclasses.replace(source, **now)
    write_json(_note(run), dataclasses.asdict(source))
    return source


def is_unchanged(run: Run) -> bool:
    """Whether a run could go on with its file."""
    try:
        return not _note(run).exists() or bool(read_source(run))
    except BadInput:
        return False


def _note(run: Run) -> Path:
    return run.path / "input.json"


def _stamp(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise BadInput("There is no file “{file}”.", file=file)
    stat = file.stat()
    return {"file": str(file), "size": stat.st_size, "modified": stat.st_mtime_ns}
