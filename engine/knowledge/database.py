"""A base's folder `knowledge_bases/<id>/`: its SQLite file and its locks. Knows no documents, no vectors.

    base.db        everything that is true of the base; what is not in it does not exist
    chroma/        the dense index: numbers and vectors only, always read through base.db
    lock           held for every touch of the index (`locked`): Chroma is safe for threads, not for processes
    filling.lock   held by the one process that adds documents or indexes anew (`filling`)
    evaluations/   results of `engine.knowledge.evaluation`

Every change of the index raises `generation`, which tells other processes that what they hold in memory is old.
"""

import fcntl
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.settings import settings

_ID = re.compile(r"kb-[0-9a-f]{8}")
_BUSY_SECONDS = 60

_SCHEMA = """
CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, bytes INTEGER NOT NULL,
    language TEXT NOT NULL, given INTEGER NOT NULL, added REAL NOT NULL
);
CREATE INDEX documents_by_hash ON documents (hash);
CREATE TABLE pages (
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE, place INTEGER NOT NULL, number INTEGER,
    title TEXT NOT NULL, text TEXT NOT NULL, start INTEGER NOT NULL, PRIMARY KEY (document, place)
) WITHOUT ROWID;
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    place INTEGER NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, heading TEXT NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL, page INTEGER, line INTEGER NOT NULL, enabled INTEGER NOT NULL DEFAULT 1,
    edited INTEGER NOT NULL DEFAULT 0, vector INTEGER NOT NULL UNIQUE, terms BLOB NOT NULL, counts BLOB NOT NULL
);
CREATE INDEX passages_by_document ON passages (document, place);
CREATE INDEX passages_by_key ON passages (key);
CREATE TABLE unsettled (vector INTEGER PRIMARY KEY);
"""
# passages.vector    its number in the index; a passage that changes gets a new one, and none is ever given twice
# passages.terms, .counts    what `engine.knowledge.lexical` needs, so that no text is read to build its index
# documents.given    whether its passages came ready-made, and are not split
# unsettled    numbers that the index may hold without a passage: written before vectors go in, or as passages go


def folder(base_id: str) -> Path:
    """Where a base lies.

    Raises:
        BadInput: there is none of this id.
    """
    path = settings().knowledge_bases / base_id
    if not _ID.fullmatch(base_id) or not (path / "base.db").is_file():
        raise BadInput(
            "There is no knowledge base “{name}”: `python -m engine kb list` shows which there are.", name=base_id[:100]
        )
    return path


def make(path: Path, info: dict[str, Any]) -> None:
    """Write a new base's file into the folder `path`, which must exist."""
    db = sqlite3.connect(path / "base.db")
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
        for key, value in {"generation": 0, "next_vector": 1, "collection": 1, **info}.items():
            put_info(db, key, value)
        db.commit()
    finally:
        db.close()


@contextmanager
def reading(base_id: str) -> Iterator[sqlite3.Connection]:
    """One consistent view of a base."""
    db = _connect(base_id)
    try:
        db.execute("BEGIN")
        yield db
    finally:
        db.close()


@contextmanager
def writing(base_id: str) -> Iterator[sqlite3.Connection]:
    """One change of a base: all of it, or nothing."""
    db = _connect(base_id)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # an open transaction is rolled back


def forget_deleted(base_id: str) -> None:
    """Bring the log into the file, so that what was deleted stands in neither."""
    db = _connect(base_id)
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()


def get_info(db: sqlite3.Connection, key: str) -> Any:
    """A value that belongs to the base itself; None if there is none."""
    row = db.execute("SELECT value FROM info WHERE key = ?", (key,)).fetchone()
    return json.loads(row[0]) if row else None


def all_info(db: sqlite3.Connection) -> dict[str, Any]:
    """All such values."""
    return {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM info")}


def put_info(db: sqlite3.Connection, key: str, value: Any) -> None:
    """Keep such a value."""
    db.execute("INSERT OR REPLACE INTO info VALUES (?, ?)", (key, json.dumps(value, ensure_ascii=False)))


def next_generation(db: sqlite3.Connection) -> int:
    """Tell other processes that the index changes; for a writing connection."""
    generation = get_info(db, "generation") + 1
    put_info(db, "generation", generation)
    return generation


def new_vectors(db: sqlite3.Connection, count: int) -> range:
    """Numbers that no vector of this base ever had; for a writing connection."""
    first = get_info(db, "next_vector")
    put_info(db, "next_vector", first + count)
    return range(first, first + count)


@contextmanager
def locked(base_id: str) -> Iterator[None]:
    """The index is this thread's alone, among all threads and processes of the machine. Not to be nested."""
    with _flock(folder(base_id) / "lock", fcntl.LOCK_EX):
        yield


@contextmanager
def filling(base_id: str) -> Iterator[None]:
    """This process adds documents or indexes anew; held from the first vector to the last.

    Raises:
        BadInput: another one does so.
    """
    try:
        with _flock(folder(base_id) / "filling.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
    except BlockingIOError as error:
        raise BadInput(
            "Documents are being added to this knowledge base already: wait until that has ended, or stop it."
        ) from error


@contextmanager
def _flock(path: Path, how: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)  # the kernel frees the lock, also when the process is killed


def _connect(base_id: str) -> sqlite3.Connection:
    # mode=rw: a base that was deleted a moment ago is not made again as an empty file
    address = f"file:{folder(base_id) / 'base.db'}?mode=rw"
    db = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")
    return db
