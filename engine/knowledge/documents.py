"""The documents of a base: list, show a page, put in whole, take out whole. Files are read elsewhere (`engine.knowledge.ingest`)."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from engine.errors import BadInput, Failure
from engine.knowledge import index, lexical
from engine.knowledge.database import (
    forget_deleted,
    get_info,
    locked,
    new_vectors,
    next_generation,
    reading,
    writing,
)
from engine.knowledge.loaders.page import Page
from engine.knowledge.passages import searched
from engine.knowledge.splitting import Chunk

if TYPE_CHECKING:
    import numpy as np


class Document(BaseModel):
    """A document of a base."""

    id: int
    name: str
    hash: str
    bytes: int
    pages: int
    """0 where the format has none."""
    characters: int
    passages: int
    language: str
    """ISO 639-1 code, or `und` if it cannot be told."""
    added: float
    worked_on: bool = False
    """Whether a passage of it was corrected or switched off."""
    same_as: list[str] = []
    """Other documents of the base with the same content."""


@dataclass
class Prepared:
    """A document that is read and split, and not in the base yet."""

    name: str
    hash: str
    bytes: int
    language: str
    pages: list[Page]
    chunks: list[Chunk]
    keys: list[str] | None = None
    """The ids that its passages came with; None if it was split here."""

    @property
    def searched(self) -> list[str]:
        """What is embedded and indexed of each chunk."""
        return [searched(chunk.text, chunk.heading) for chunk in self.chunks]


def list_documents(base_id: str) -> list[Document]:
    """All documents by name."""
    with reading(base_id) as db:
        rows = db.execute(
            "SELECT d.*, (SELECT COUNT(number) FROM pages WHERE document = d.id) AS pages,"
            " (SELECT COALESCE(SUM(LENGTH(text)), 0) FROM pages WHERE document = d.id) AS characters,"
            " (SELECT COUNT(*) FROM passages WHERE document = d.id) AS passages,"
            " (SELECT COUNT(*) FROM passages WHERE document = d.id AND (edited OR NOT enabled)) > 0 AS worked_on"
            " FROM documents d ORDER BY name"
        ).fetchall()
    by_hash: dict[str, list[str]] = {}
    for row in rows:
        by_hash.setdefault(row["hash"], []).append(row["name"])
    return [
        Document(
            **{key: row[key] for key in row.keys() if key in Document.model_fields},  # noqa: SIM118 (a Row is no dict)
            same_as=[name for name in by_hash[row["hash"]] if name != row["name"]],
        )
        for row in rows
    ]


def get_document(base_id: str, document: int | str) -> Document:
    """One document by its number or its name.

    Raises:
        BadInput: there is none.
    """
    for each in list_documents(base_id):
        if document in (each.id, each.name):
            return each
    raise BadInput("There is no document “{document}” in this knowledge base.", document=document)


def page_text(base_id: str, document_id: int, number: int | None) -> tuple[str, int]:
    """The text of a page, and where it begins in its document's text.

    Raises:
        BadInput: there is no such page.
    """
    with reading(base_id) as db:
        row = db.execute(
            "SELECT text, start FROM pages WHERE document = ? AND number IS ? ORDER BY place", (document_id, number)
        ).fetchone()
    if row is None:
        raise BadInput("There is no such page in this knowledge base.")
    return row["text"], row["start"]


def stored_hashes(base_id: str) -> dict[str, str]:
    """The hash of each document by name."""
    with reading(base_id) as db:
        return {row["name"]: row["hash"] for row in db.execute("SELECT name, hash FROM documents")}


def put(base_id: str, documents: Sequence[Prepared], vectors: "np.ndarray") -> None:
    """Put documents in, each in the place of one with its name; all at once, or none if something goes wrong.

    Args:
        base_id: the base.
        documents: read and split.
        vectors: float32 (chunks of all documents, dimension), in their order.
    """
    with writing(base_id) as db:
        numbers = new_vectors(db, len(vectors))
    blocks = range(0, len(numbers), _AT_ONCE)
    for start in blocks:  # others may ask in between: these vectors count for nothing yet
        with locked(base_id):
            index.add(base_id, numbers[start : start + _AT_ONCE], vectors[start : start + _AT_ONCE])
    with locked(base_id):
        with writing(base_id) as db:
            gone = [vector for document in documents for vector in _take_out(db, document.name)]
            first = numbers.start
            for document in documents:
                _insert(db, document, first)
                first += len(document.chunks)
            _settle(db, gone, numbers)
            before, generation = get_info(db, "generation"), next_generation(db)
        index.keep_up(base_id, before, generation)
        index.remove(base_id, gone)


def delete_document(base_id: str, document_id: int) -> None:
    """Take a document out, and see that nothing of it is left.

    Raises:
        BadInput: there is none of this number.
        Failure: something of it can still be found.
    """
    name = get_document(base_id, document_id).name
    with locked(base_id):
        with writing(base_id) as db:
            gone = _take_out(db, name)
            _settle(db, gone, range(0))
            before, generation = get_info(db, "generation"), next_generation(db)
        index.keep_up(base_id, before, generation)
        index.remove(base_id, gone)
        _verify_gone(base_id, document_id, gone)
    forget_deleted(base_id)


_AT_ONCE = 1000
"""Vectors that go in while others have to wait."""


def _take_out(db: sqlite3.Connection, name: str) -> list[int]:
    """Remove a document's rows; the numbers of its vectors."""
    row = db.execute("SELECT id FROM documents WHERE name = ?", (name,)).fetchone()
    if row is None:
        return []
    vectors = [each[0] for each in db.execute("SELECT vector FROM passages WHERE document = ?", (row["id"],))]
    db.execute("DELETE FROM documents WHERE id = ?", (row["id"],))
    return vectors


def _insert(db: sqlite3.Connection, document: Prepared, first: int) -> None:
    cursor = db.execute(
        "INSERT INTO documents (name, hash, bytes, language, given, added) VALUES (?, ?, ?, ?, ?, ?)",
        (document.name, document.hash, document.bytes, document.language, document.keys is not None, time.time()),
    )
    number = cursor.lastrowid
    assert number is not None
    insert_pages(db, number, document.pages)
    insert_chunks(db, number, document, first)


def insert_pages(db: sqlite3.Connection, document: int, pages: list[Page]) -> None:
    """Write the pages of a document; they are joined by a blank line, as `splitting.document_text` does."""
    start = 0
    for place, page in enumerate(pages):
        db.execute(
            "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?)", (document, place, page.number, page.title, page.text, start)
        )
        start += len(page.text) + 2


def insert_chunks(db: sqlite3.Connection, number: int, document: Prepared, first: int) -> None:
    """Write the passages of a document; their vectors are numbered from `first`."""
    for place, (chunk, text) in enumerate(zip(document.chunks, document.searched, strict=True)):
        terms, counts, _ = lexical.encode(text)
        key = document.keys[place] if document.keys else f"{document.name}#{place}"
        db.execute(
            'INSERT INTO passages (document, place, key, text, heading, start, "end", page, line, vector, terms, counts)'
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(number, place, key, chunk.text, chunk.heading, chunk.start, chunk.end, chunk.page, chunk.line),
                *(first + place, terms, counts),
            ),
        )


def _settle(db: sqlite3.Connection, gone: Sequence[int], come: range) -> None:
    """Note which vectors have no passage any more, and which have one now."""
    db.executemany("INSERT OR IGNORE INTO unsettled VALUES (?)", [(vector,) for vector in gone])
    db.execute("DELETE FROM unsettled WHERE vector >= ? AND vector < ?", (come.start, come.stop))


def _verify_gone(base_id: str, document_id: int, vectors: list[int]) -> None:
    with reading(base_id) as db:
        left = db.execute("SELECT COUNT(*) FROM passages WHERE document = ?", (document_id,)).fetchone()[0]
    if left or index.present(base_id, vectors):
        raise Failure("Something of this document is still in the index: delete it again, or index this base anew.")
