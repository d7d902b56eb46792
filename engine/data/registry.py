"""The datasets there are: `var/datasets/<name>/`.

    card.json      what the newest version is and where it came from (`Card`)
    versions/      `<n>.json` the card and `<n>.rows` the rows of each version; see `engine.data.rows`
    rows.jsonl     every row that any version has, one canonical record a line
    broken.jsonl   the lines of the imported files that hold no record: {"file", "line", "reason"}
    prepared/      see `engine.data.prepare`

A version never changes: every change makes the next one, and its card is written last, so a reader never sees part of a
change. `name` means the newest version everywhere, `name@3` the third.
"""

import json
import re
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from engine.data import rows as storage
from engine.data.folders import building, locked, remove
from engine.data.records import RECORDS, Kind, Record
from engine.errors import BadInput
from engine.files import check_name, read_json, sha256, write_json
from engine.runs import Run, list_runs, lock
from engine.runs.run import ENDED
from engine.settings import settings

BROKEN = "broken.jsonl"
_VERSIONED = re.compile(r"(.+)@(\d{1,6})")


class Card(BaseModel):
    """What one version of a dataset is."""

    name: str
    kind: Kind
    rows: int
    version: int = 1
    change: dict[str, Any] = {}
    """What made this version of the one before: `{"action": "edited", …, "by"}`."""
    broken: int = 0
    """Lines of the sources that could not be read."""
    added: int = 0
    """Rows that were added afterwards."""
    filters: list[str] = []
    """What was done to the rows since they came in."""
    sources: list[dict[str, Any]] = []
    """For imported files `{"file", "sha256", "format"}`; otherwise whatever its maker says."""
    content_sha256: str
    """Of the rows' lines in their order."""
    created: float
    """Of the first version, in seconds since 1970."""
    changed: float = 0
    """Of this version; 0 in datasets from before there were versions."""

    @property
    def reference(self) -> str:
        """Names this very version, also when others have followed."""
        return f"{self.name}@{self.version}"


def create(name: str, records: Iterable[Record], sources: list[dict[str, Any]]) -> Card:
    """Make a dataset of records at hand, all of one kind.

    Raises:
        BadInput: the name is taken or none; there is no record; they are of several kinds.
    """
    rest = iter(records)
    first = next(rest, None)
    if first is None:
        raise BadInput("There is nothing to make the dataset “{name}” of: it needs at least one row.", name=name)
    with new_folder(name) as folder:
        offsets = storage.add_lines(folder, _lines(first.kind, chain([first], rest)))
        write_first_version(folder, name, first.kind, offsets, sources=sources, change={"action": "created"})
    return card(name)


def append(name: str, records: Iterable[Record], by: str | None = None) -> Card:
    """Add rows at the end of a dataset, as a new version.

    Raises:
        BadInput: there is no such dataset, or a record is of another kind.
    """
    with changing(name) as (folder, old):
        added = storage.add_lines(folder, _lines(old.kind, records))
        offsets = storage.read_index(folder, old.version) + added
        change = {"action": "appended", "rows": len(added), "by": by}
        return write_next_version(folder, old, offsets, change, added=old.added + len(added))


def merge(names: list[str], name: str) -> Card:
    """Make a dataset of several, one after the other.

    Raises:
        BadInput: the name is taken; one of them is missing; they are of several kinds; fewer than two.
    """
    if len(names) < 2:
        raise BadInput("Choose at least two datasets to merge.")
    cards = [card(each) for each in names]
    records = chain.from_iterable(_read(each, 0, None) for each in cards)
    return create(name, records, [{"dataset": each.reference, "sha256": each.content_sha256} for each in cards])


def card(name: str) -> Card:
    """What a dataset is; `name@3` gives the third version.

    Raises:
        BadInput: there is none of this name, or no such version.
    """
    plain, version = split_reference(name)
    folder = _existing(plain)
    path = folder / "card.json"
    if version is not None and read_json(path).get("version", 1) != version:
        path = folder / "versions" / f"{version}.json"
        if not path.exists():
            raise BadInput("“{name}” has no version {version}.", name=plain, version=version)
    return Card.model_validate({**read_json(path), "name": plain})


def versions(name: str) -> list[Card]:
    """All versions of a dataset, newest first."""
    newest = card(split_reference(name)[0])
    return [newest, *(card(f"{newest.name}@{n}") for n in range(newest.version - 1, 0, -1))]


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


def raw_rows(card: Card, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
    """Rows as plain objects, three times as fast as `iterate`: they were checked when they came in."""
    return map(from_json, _raw(card, start, stop))


def place(name: str) -> tuple[Path, int]:
    """The folder and the number of a version, for `engine.data.rows`.

    Raises:
        BadInput: there is none.
    """
    about = card(name)
    folder = _folder(about.name)
    _keep_version(folder, about)
    return folder, about.version


def lines_size(card: Card) -> int:
    """Bytes of the file that holds the rows of all versions."""
    return (_folder(card.name) / storage.LINES).stat().st_size


def search(name: str, words: str, start: int = 0, limit: int = 20) -> list[int]:
    """The numbers of the rows, from 0, in whose turns these words stand, in capitals or not.

    Args:
        name: the dataset.
        words: searched for as they are, spaces included.
        start: the row to begin at.
        limit: stop after so many.
    """
    about = card(name)
    wanted = words.casefold()
    # in the file the words stand as JSON writes them; keys of the object may match too, so the turns decide
    written = json.dumps(wanted, ensure_ascii=False)[1:-1]
    lines = enumerate(_raw(about, start, None), start)
    hits = (number for number, line in lines if written in line.decode().casefold() and _says(line, wanted))
    return list(islice(hits, limit))


def broken_lines(name: str, limit: int) -> list[dict[str, Any]]:
    """The first lines of the sources that hold no record: `{"file", "line", "reason"}` each."""
    path = _existing(split_reference(name)[0]) / BROKEN
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
        except (BadInput, OSError, ValueError, TypeError, AttributeError):
            continue
    return sorted(cards, key=lambda card: card.created, reverse=True)


def delete(name: str) -> None:
    """Delete a dataset with all its versions and all that was prepared from it.

    Raises:
        BadInput: there is none of this name, or a run that has not ended uses it.
    """
    folder = _existing(name)
    with locked(folder):
        user = next((run.id for run in list_runs() if _uses(run, name)), None)
        if user:
            raise BadInput(
                "“{name}” is in use by the run {run}: stop that run, or wait until it has ended.", name=name, run=user
            )
        if any(lock.is_held(path) for path in folder.glob("prepared/.*.lock")):
            raise BadInput("“{name}” is being prepared at this moment: try again when that is done.", name=name)
        remove(folder)


def prepared_folder(name: str) -> Path:
    """Where what is prepared from a dataset lies."""
    folder = _existing(split_reference(name)[0]) / "prepared"
    folder.mkdir(exist_ok=True)
    return folder


def split_reference(name: str) -> tuple[str, int | None]:
    """A dataset's plain name, and the version that `name@version` asks for."""
    match = _VERSIONED.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


@contextmanager
def new_folder(name: str) -> Iterator[Path]:
    """The folder of a dataset to be made, which appears when the block has ended without an error."""
    with free_name(name) as target, building(target) as temporary:
        yield temporary


@contextmanager
def free_name(name: str) -> Iterator[Path]:
    """Hold the right to make a dataset of this name; yields the folder it will have.

    Raises:
        BadInput: it is no name, it is taken, or somebody else is making it.
    """
    folder = _folder(name)
    with locked(folder):
        if folder.exists():
            raise BadInput(
                "There is already a dataset “{name}”: choose another name, or delete that one first.", name=name
            )
        yield folder


@contextmanager
def changing(name: str, seen: int | None = None) -> Iterator[tuple[Path, Card]]:
    """Hold the right to make the next version; yields the dataset's folder and its newest card.

    Args:
        name: the dataset.
        seen: the version that the change was thought out for; row numbers of another one may mean other rows.

    Raises:
        BadInput: there is none, somebody else is changing it, or it is no longer at the version that was seen.
    """
    folder = _existing(name)
    with locked(folder, wait=30):
        old = card(name)
        if seen is not None and old.version != seen:
            raise BadInput(
                "“{name}” has been changed since you looked: look at it again, then make your change.", name=name
            )
        _keep_version(folder, old)
        yield folder, old


def write_first_version(folder: Path, name: str, kind: Kind, offsets: array, **rest: Any) -> None:
    """The index and the card of a new dataset, whose rows are all the lines that are written."""
    storage.write_index(folder, 1, offsets)
    now = time.time()
    digest = sha256(folder / storage.LINES)
    _write_card(
        folder, Card(name=name, kind=kind, rows=len(offsets), content_sha256=digest, created=now, changed=now, **rest)
    )


def write_next_version(folder: Path, old: Card, offsets: array, change: dict[str, Any], **rest: Any) -> Card:
    """Make the next version of rows whose lines are written. For whoever is `changing` the dataset.

    Raises:
        BadInput: no row would be left.
    """
    if not offsets:
        raise BadInput("No row of “{name}” would be left: delete the whole dataset instead.", name=old.name)
    version = old.version + 1
    storage.write_index(folder, version, offsets)
    about = {"version": version, "rows": len(offsets), "change": change, "changed": time.time()}
    new = old.model_copy(update={**about, "content_sha256": storage.digest(folder, version), **rest})
    _write_card(folder, new)
    return new


def line_of(record: Record) -> bytes:
    """A record as it lies on disk."""
    return record.model_dump_json(exclude_defaults=True).encode() + b"\n"


def _folder(name: str) -> Path:
    return settings().datasets / check_name(name)


def _existing(name: str) -> Path:
    folder = _folder(name)
    if not folder.is_dir():
        raise BadInput("There is no dataset “{name}”: `python -m engine data list` shows those there are.", name=name)
    return folder


def _lines(kind: Kind, records: Iterable[Record]) -> Iterator[bytes]:
    for record in records:
        if record.kind != kind:
            raise BadInput(
                "A dataset holds rows of one kind: “{other}” cannot join “{kind}”.", other=record.kind, kind=kind
            )
        yield line_of(record)


def _write_card(folder: Path, card: Card) -> None:
    write_json(folder / "versions" / f"{card.version}.json", card.model_dump())
    write_json(folder / "card.json", card.model_dump())


def _keep_version(folder: Path, card: Card) -> None:
    """A dataset from before there were versions has its rows and nothing that says which; its first change settles that."""
    if not storage.index_path(folder, card.version).exists():
        storage.write_index(folder, card.version, storage.index_lines(folder, card.rows))
        write_json(folder / "versions" / f"{card.version}.json", card.model_dump())


def _raw(card: Card, start: int, stop: int | None) -> Iterator[bytes]:
    folder = _folder(card.name)
    _keep_version(folder, card)
    return storage.read_lines(folder, card.version, start, card.rows if stop is None else min(stop, card.rows))


def _read(card: Card, offset: int, limit: int | None) -> Iterator[Record]:
    record = RECORDS[card.kind]
    for line in _raw(card, offset, None if limit is None else offset + limit):
        yield record.model_validate_json(line)


def _says(line: bytes, wanted: str) -> bool:
    row = from_json(line)
    turns = [turn for part in ("messages", "prompt", "chosen", "rejected", "completion") for turn in row.get(part, [])]
    return any(wanted in turn["content"].casefold() for turn in turns)


def _uses(run: Run, name: str) -> bool:
    try:
        used = run.spec().get("dataset", "")
        return run.status().state not in ENDED and split_reference(used)[0] == name
    except (OSError, ValueError, AttributeError, TypeError):  # a damaged run directory uses nothing
        return False
