"""The passages of a base: read, correct one, take one out of the search. All others stay as they are, byte for byte."""

import sqlite3
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from engine.errors import BadInput
from engine.knowledge import bases, index, lexical
from engine.knowledge.database import get_info, locked, new_vectors, next_generation, reading, writing
from engine.knowledge.embedding import embed

COLUMNS = (
    'passages.id, key, document, documents.name AS document_name, place, text, heading, start, "end", page, line, '
    "enabled, edited"
)
_MOST = 20_000


class Passage(BaseModel):
    """A stretch of a document that is searched and cited."""

    model_config = ConfigDict(frozen=True)

    id: int
    key: str
    """The id it came with, or `document#place`; what questions for an evaluation name."""
    document: int
    document_name: str
    place: int
    """Its place in its document, from 0."""
    text: str
    heading: str = ""
    """The headings it stands under, `A › B`."""
    start: int = 0
    """In characters of the document."""
    end: int = 0
    page: int | None = None
    line: int = 1
    """Where it begins on its page."""
    enabled: bool = True
    edited: bool = False


def passage_of(row: sqlite3.Row) -> Passage:
    """The passage in a row of `COLUMNS`."""
    return Passage(**{name: row[name] for name in Passage.model_fields})


def list_passages(base_id: str, document_id: int, offset: int = 0, limit: int = 50) -> list[Passage]:
    """The passages of a document in their order."""
    with reading(base_id) as db:
        rows = db.execute(
            f"SELECT {COLUMNS} FROM passages JOIN documents ON documents.id = document"
            " WHERE document = ? ORDER BY place LIMIT ? OFFSET ?",
            (document_id, limit, offset),
        )
        return [passage_of(row) for row in rows]


def get_passage(base_id: str, passage_id: int) -> Passage:
    """One passage.

    Raises:
        BadInput: there is none of this number.
    """
    with reading(base_id) as db:
        return _get(db, passage_id)


def by_vectors(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, Passage]:
    """The passages that have these numbers in the index and may be found."""
    marks = ",".join("?" * len(numbers))
    rows = db.execute(
        f"SELECT {COLUMNS}, vector FROM passages JOIN documents ON documents.id = document"
        f" WHERE enabled AND vector IN ({marks})",
        list(numbers),
    )
    return {row["vector"]: passage_of(row) for row in rows}


def correct(base_id: str, passage_id: int, text: str) -> Passage:
    """Give a passage another text.

    Raises:
        BadInput: the text is empty or too long, or there is no such passage.
    """
    text = text.strip()
    if not text:
        raise BadInput("A passage needs text: to take it out of the search, switch it off.")
    if len(text) > _MOST:
        raise BadInput("A passage may have {most} characters.", most=f"{_MOST:,}")
    if get_passage(base_id, passage_id).text == text:
        return get_passage(base_id, passage_id)
    return _indexed_anew(base_id, passage_id, text=text)


def set_enabled(base_id: str, passage_id: int, enabled: bool) -> Passage:
    """Let a passage be found, or not.

    Raises:
        BadInput: there is no such passage.
    """
    if get_passage(base_id, passage_id).enabled == enabled:
        return get_passage(base_id, passage_id)
    return _indexed_anew(base_id, passage_id, enabled=enabled)


def _indexed_anew(base_id: str, passage_id: int, text: str | None = None, enabled: bool | None = None) -> Passage:
    """Change a passage; it gets a new number in the index, and a vector there if it may be found."""
    base = bases.read(base_id)
    assert base.embedding, "a base with passages has one"
    passage = get_passage(base_id, passage_id)
    after = passage.model_copy(
        update={
            "text": passage.text if text is None else text,
            "enabled": passage.enabled if enabled is None else enabled,
            "edited": passage.edited or text is not None,
        }
    )
    vectors = embed(base.embedding, [searched(after.text, after.heading)]) if after.enabled else None
    keys, counts, _ = lexical.encode(searched(after.text, after.heading))
    with locked(base_id):
        with writing(base_id) as db:
            _get(db, passage_id)
            number = new_vectors(db, 1)[0]
        if vectors is not None:
            index.add(base_id, [number], vectors)
        with writing(base_id) as db:
            old = db.execute("SELECT vector FROM passages WHERE id = ?", (passage_id,)).fetchone()
            if old is None:
                raise _no_passage(passage_id)
            db.execute(
                "UPDATE passages SET text = ?, enabled = ?, edited = ?, vector = ?, terms = ?, counts = ? WHERE id = ?",
                (after.text, after.enabled, after.edited, number, keys, counts, passage_id),
            )
            db.execute("DELETE FROM unsettled WHERE vector = ?", (number,))
            db.execute("INSERT OR IGNORE INTO unsettled VALUES (?)", (old["vector"],))
            before = get_info(db, "generation")
            generation = next_generation(db)
        index.keep_up(base_id, before, generation)
        index.remove(base_id, [old["vector"]])
    return get_passage(base_id, passage_id)


def searched(text: str, heading: str) -> str:
    """What is searched of a passage: its headings say what it is about, and often it does not say so itself."""
    return f"{heading}\n{text}" if heading and not text.lstrip().startswith("#") else text


def _get(db: sqlite3.Connection, passage_id: int) -> Passage:
    row = db.execute(
        f"SELECT {COLUMNS} FROM passages JOIN documents ON documents.id = document WHERE passages.id = ?", (passage_id,)
    ).fetchone()
    if row is None:
        raise _no_passage(passage_id)
    return passage_of(row)


def _no_passage(passage_id: int) -> BadInput:
    return BadInput("There is no passage {passage} in this knowledge base.", passage=passage_id)
