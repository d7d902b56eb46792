"""The datasets there are: `var/datasets/<name>/`.

    rows.jsonl     the canonical records, one a line
    card.json      what they are and where they came from (`Card`)
    broken.jsonl   the lines of the imported files that hold no record: {"file", "line", "reason"}
    prepared/      see `engine.data.prepare`

Rows are only ever added at the end, and the card is written last: a reader takes as many rows as the card says, so it never
sees part of a change.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.data.folders import building, locked, remove
from engine.data.readers import FORMATS, detect
from engine.data.records import RECORDS, Kind, Record
from engine.errors import BadInput
from engine.files import check_name, read_json, sha256, write_json
from engine.runs import Run, list_runs
from engine.settings import settings


class Card(BaseModel):
    """What a dataset is."""

    name: str
    kind: Kind
    rows: int
    broken: int = 0
    """Lines of the sources that could not be read."""
    added: int = 0
    """Rows that were added afterwards, the last ones."""
    filters: list[str] = []
    """What was done to the rows on their way in."""
    sources: list[dict[str, Any]] = []
    """For imported files `{"file", "sha256", "format"}`; otherwise whatever its maker says."""
    content_sha256: str
    """Of rows.jsonl."""
    created: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    name: str
    rows: int
    broken: int
    broken_file: Path
    """JSON lines `{"file", "line", "reason"}`; empty if nothing was broken."""


def import_files(files: Iterable[Path], name: str, format: str = "auto") -> Imported:
    """Make a dataset of one file or several; broken lines are listed and do not stop it.

    Args:
        files: JSON lines, UTF-8.
        name: of the new dataset.
        format: a key of `FORMATS`, or `auto` to tell each file's by its first lines.

    Raises:
        BadInput: the name is taken or none; a file is missing or unknown; the files are of several kinds; no row is good.
    """
    check_name(name)
    formats = _formats([Path(file) for file in files], format)
    kind = FORMATS[formats[0][1]].kind
    sources = [{"file": path.name, "sha256": sha256(path), "format": format} for path, format in formats]
    with _new(name) as folder:
        rows = _write_rows(folder / "rows.jsonl", kind, _good_rows(formats, folder / "broken.jsonl"))
        with (folder / "broken.jsonl").open("rb") as file:
            first = file.readline()
            broken = bool(first) + sum(1 for _ in file)
        if not rows:
            _refuse(first)
        _write_card(folder, name, kind, rows, broken=broken, sources=sources)
    return Imported(name, rows, broken, _folder(name) / "broken.jsonl")


def create(name: str, records: Iterable[Record], sources: list[dict[str, Any]]) -> Card:
    """Make a dataset of records at hand, all of one kind.

    Raises:
        BadInput: the name is taken or none; there is no record; they are of several kinds.
    """
    rest = iter(records)
    first = next(rest, None)
    if first is None:
        raise BadInput("There is nothing to make the dataset “{name}” of: it needs at least one row.", name=name)
    with _new(name) as folder:
        rows = _write_rows(folder / "rows.jsonl", first.kind, chain([first], rest))
        _write_card(folder, name, first.kind, rows, sources=sources)
    return card(name)


def append(name: str, records: Iterable[Record]) -> Card:
    """Add rows at the end of a dataset.

    Raises:
        BadInput: there is no such dataset, or a record is of another kind.
    """
    folder = _existing(name)
    temporary = folder / ".rows.jsonl.new"
    with locked(folder):
        old = card(name)
        try:
            rows = _write_rows(temporary, old.kind, chain(iterate(name), records))
            temporary.replace(folder / "rows.jsonl")
        finally:
            temporary.unlink(missing_ok=True)
        changes = {"rows": rows, "added": old.added + rows - old.rows, "content_sha256": sha256(folder / "rows.jsonl")}
        new = old.model_copy(update=changes)
        write_json(folder / "card.json", new.model_dump())
    return new


def card(name: str) -> Card:
    """What a dataset is.

    Raises:
        BadInput: there is none of this name.
    """
    return Card.model_validate({**read_json(_existing(name) / "card.json"), "name": name})


def iterate(name: str) -> Iterator[Record]:
    """All rows, one at a time."""
    return _read(card(name), 0, None)


def rows(name: str, offset: int = 0, limit: int | None = None) -> list[Record]:
    """Some of the rows, for a page that shows them.

    Args:
        name: the dataset.
        offset: rows to pass over.
        limit: rows to return at most; None for all that are left.
    """
    return list(_read(card(name), offset, limit))


def broken_lines(name: str, limit: int) -> list[dict[str, Any]]:
    """The first lines of the sources that hold no record: `{"file", "line", "reason"}` each."""
    path = _existing(name) / "broken.jsonl"
    if not path.exists():  # a dataset that was not made of files
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in islice(file, limit)]


def list_datasets() -> list[Card]:
    """The datasets, newest first; a folder that is none, or whose card is damaged, is left out."""
    cards = []
    for folder in settings().datasets.iterdir():
        try:
            cards.append(card(folder.name))
        except (BadInput, OSError, ValueError, TypeError):
            continue
    return sorted(cards, key=lambda card: card.created, reverse=True)


def delete(name: str) -> None:
    """Delete a dataset and all that was prepared from it.

    Raises:
        BadInput: there is none of this name, or a run that has not ended trains on it.
    """
    folder = _existing(name)
    with locked(folder):
        user = next((run.id for run in list_runs() if _uses(run, name)), None)
        if user:
            raise BadInput(
                "“{name}” is in use by the run {run}: stop that run, or wait until it has ended.", name=name, run=user
            )
        remove(folder)


def prepared_folder(name: str) -> Path:
    """Where what is prepared from a dataset lies."""
    folder = _existing(name) / "prepared"
    folder.mkdir(exist_ok=True)
    return folder


def _folder(name: str) -> Path:
    return settings().datasets / check_name(name)


def _existing(name: str) -> Path:
    folder = _folder(name)
    if not folder.is_dir():
        raise BadInput("There is no dataset “{name}”: `python -m engine data list` shows those there are.", name=name)
    return folder


@contextmanager
def _new(name: str) -> Iterator[Path]:
    folder = _folder(name)
    with locked(folder):
        if folder.exists():
            raise BadInput(
                "There is already a dataset “{name}”: choose another name, or delete that one first.", name=name
            )
        with building(folder) as temporary:
            yield temporary


def _formats(files: list[Path], format: str) -> list[tuple[Path, str]]:
    if not files:
        raise BadInput("Choose at least one file to import.")
    for path in files:
        if not path.is_file():
            raise BadInput("There is no file “{file}”.", file=path)
    if format != "auto" and format not in FORMATS:
        known = ", ".join(FORMATS)
        raise BadInput("“{format}” is not a format: choose auto or one of {known}.", format=format, known=known)
    formats = [(path, detect(path) if format == "auto" else format) for path in files]
    kinds = sorted({FORMATS[format].kind for _, format in formats})
    if len(kinds) > 1:
        raise BadInput(
            "These files hold rows of several kinds ({kinds}): import each kind as a dataset of its own.",
            kinds=", ".join(kinds),
        )
    return formats


def _good_rows(formats: list[tuple[Path, str]], broken: Path) -> Iterator[Record]:
    with broken.open("w", encoding="utf-8") as file:
        for path, format in formats:
            for number, record in FORMATS[format].read(path):
                if isinstance(record, str):
                    line = {"file": path.name, "line": number, "reason": record}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                else:
                    yield record


def _refuse(first_broken: bytes) -> None:
    if not first_broken:
        raise BadInput("The file is empty: there is nothing to import.")
    raise BadInput("No line can be used. The first, line {line} of “{file}”: {reason}.", **json.loads(first_broken))


def _write_rows(path: Path, kind: Kind, records: Iterable[Record]) -> int:
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            if record.kind != kind:
                raise BadInput(
                    "A dataset holds rows of one kind: “{other}” cannot join “{kind}”.", other=record.kind, kind=kind
                )
            file.write(record.model_dump_json(exclude_defaults=True) + "\n")
            rows += 1
        file.flush()
        os.fsync(file.fileno())
    return rows


def _write_card(folder: Path, name: str, kind: Kind, rows: int, **rest: Any) -> None:
    digest = sha256(folder / "rows.jsonl")
    card = Card(name=name, kind=kind, rows=rows, content_sha256=digest, created=time.time(), **rest)
    write_json(folder / "card.json", card.model_dump())


def _read(card: Card, offset: int, limit: int | None) -> Iterator[Record]:
    end = card.rows if limit is None else min(card.rows, offset + limit)
    with (_folder(card.name) / "rows.jsonl").open("rb") as file:
        for line in islice(file, offset, end):
            yield RECORDS[card.kind].model_validate_json(line)


def _uses(run: Run, name: str) -> bool:
    try:
        return run.status().state in ("queued", "running", "stopping") and run.spec().get("dataset") == name
    except (OSError, ValueError, AttributeError):  # a damaged run directory uses nothing
        return False
