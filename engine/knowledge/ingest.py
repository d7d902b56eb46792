"""Files become documents of a base: read, split, embedded, put in. And a base is indexed anew for another model or splitter.

Documents that are in the base as they are now are passed over; changed ones are replaced whole; what cannot be read is reported
with a reason, and the rest goes in. Killed at any moment, nothing is half in, and doing it again does what is left.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from engine.data.cleaning.language import language as told_language
from engine.errors import BadInput, StudioError
from engine.files import sha256
from engine.knowledge import bases, documents, index
from engine.knowledge import embedding as embeddings
from engine.knowledge.bases import Base
from engine.knowledge.database import filling, get_info, put_info, reading, writing
from engine.knowledge.documents import Prepared
from engine.knowledge.loaders import is_markdown, load, refuse_too_big
from engine.knowledge.loaders.archives import Found, expand
from engine.knowledge.loaders.page import Page, clean
from engine.knowledge.splitting import Chunk, Splitter, split
from engine.knowledge.swapping import embed_into_new_collection
from engine.knowledge.terms import is_chinese

Progress = Callable[[int, int], None]

_TOGETHER = 128
"""Passages that small documents are gathered to, so that the model gets full batches."""


class Note(BaseModel):
    """Something to be said of a file: an English sentence with gaps, the key of its translation."""

    file: str
    sentence: str
    values: dict[str, str] = {}

    @property
    def text(self) -> str:
        """The sentence in English, its gaps filled."""
        return self.sentence.format(**self.values)


class Ingested(BaseModel):
    """What came of adding files."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    passages: int = 0
    """Of what was added or replaced."""
    duplicates: dict[str, list[str]] = {}
    """Files whose content the base has under other names too; they were added all the same."""
    refused: list[Note] = []
    warnings: list[Note] = []


def ingest(
    base_id: str,
    files: Sequence[tuple[str, Path]],
    passages: bool = False,
    progress: Progress = lambda done, total: None,
) -> Ingested:
    """Add files, folders and zips.

    Args:
        base_id: the base.
        files: what each is called, and where it lies.
        passages: whether they are JSON lines of `{"id", "text"}`, each a passage ready-made.
        progress: told how many passages are done and about how many there are; may raise to end it.

    Raises:
        BadInput: there is no such base, or documents are being added to it already.
    """
    with filling(base_id), tempfile.TemporaryDirectory() as unpacked:
        index.sweep_under_lock(base_id)
        found = [each for name, path in files for each in _expanded(name, path, Path(unpacked))]
        return _Filling(base_id, found, passages, progress).run()


class _Filling:
    """One call of `ingest`."""

    def __init__(self, base_id: str, found: list[Found], given: bool, progress: Progress):
        self._base = bases.read(base_id)
        self._found = found
        self._given = given
        self._progress = progress
        self._told = Ingested()
        self._hashes = documents.stored_hashes(base_id)
        self._waiting: list[Prepared] = []
        self._done = 0
        self._bytes = sum(each.path.stat().st_size for each in found if each.path)
        self._bytes_read = 0

    def run(self) -> Ingested:
        for each in self._found:
            try:
                self._take(each)
            except StudioError as reason:
                self._told.refused.append(_note(each.name, reason))
            if each.path:
                self._bytes_read += each.path.stat().st_size
            if sum(len(prepared.chunks) for prepared in self._waiting) >= _TOGETHER:
                self._put()
        self._put()
        self._progress(self._done, self._done)
        return self._told

    def _take(self, found: Found) -> None:
        if found.path is None:
            assert found.reason
            raise found.reason
        refuse_too_big(found.path.stat().st_size, found.name)
        digest = sha256(found.path)
        if self._hashes.get(found.name) == digest:
            self._told.unchanged += 1
            return
        read = _read_given if self._given else _read
        prepared = read(found.name, found.path, digest, self._base)
        if same := [name for name, other in self._hashes.items() if other == digest and name != found.name]:
            self._told.duplicates[found.name] = same
        self._waiting = [each for each in self._waiting if each.name != found.name]  # of two with one name the last one
        self._waiting.append(prepared)

    def _put(self) -> None:
        """Embed and store what waits."""
        if not self._waiting:
            return
        self._base = _with_embedding(self._base, self._waiting[0].language)
        name = self._base.embedding
        assert name
        waiting, self._waiting = self._waiting, []
        texts = [text for prepared in waiting for text in prepared.searched]
        vectors = embeddings.embed(name, texts, lambda done: self._tell(done, len(texts)))
        documents.put(self._base.id, waiting, vectors)
        self._done += len(texts)
        for prepared in waiting:
            self._told.replaced += prepared.name in self._hashes
            self._told.added += prepared.name not in self._hashes
            self._hashes[prepared.name] = prepared.hash
            if prepared.language != "und" and not embeddings.fits(name, prepared.language):
                self._told.warnings.append(_other_language(prepared, name))
        self._told.passages += len(texts)

    def _tell(self, done: int, waiting: int) -> None:
        known = self._done + waiting
        left = max(0, self._bytes - self._bytes_read) / max(1, self._bytes_read)
        self._progress(self._done + done, max(known, int(known * (1 + left)) if self._bytes_read else known))


def reindex(
    base_id: str,
    embedding: str | None = None,
    splitter: Splitter | None = None,
    progress: Progress = lambda done, total: None,
) -> Base:
    """Make the index anew, for another embedding model or splitter. People go on asking the old one until the new one is whole.

    Documents are split again only for another splitter. Passages that came ready-made stay as they are, and so do those of a
    document in which somebody corrected one or switched one off: that work would be lost. A threshold of the base's own goes
    with the model that it was calibrated for.

    Args:
        base_id: the base.
        embedding: the model; None keeps it.
        splitter: how documents are split; None keeps it.
        progress: as for `ingest`.

    Raises:
        BadInput: there is no such base or model, or documents are being added to it.
    """
    if embedding:
        embeddings.check_name(embedding)
    with filling(base_id):
        index.sweep_under_lock(base_id)
        base = bases.read(base_id)
        name = embedding or base.embedding
        if name is None or not base.passages:
            with writing(base_id) as db:
                put_info(db, "embedding", name)
                if splitter:
                    put_info(db, "splitter", splitter.model_dump())
            return bases.read(base_id)
        if splitter and splitter != base.splitter:
            _split_again(base_id, name, splitter, progress)
        if name != base.embedding:
            embed_into_new_collection(base_id, name, progress)
    return bases.read(base_id)


def _split_again(base_id: str, name: str, splitter: Splitter, progress: Progress) -> None:
    """Split each document from its pages, and put it in its own place; each is replaced whole."""
    base = bases.read(base_id)
    assert base.embedding
    done = 0
    for document in documents.list_documents(base_id):
        prepared = _stored(base_id, document, splitter)
        if prepared is not None:
            vectors = embeddings.embed(base.embedding, prepared.searched)
            documents.put(base_id, [prepared], vectors)
        done += document.passages
        progress(done, max(base.passages, done))
    with writing(base_id) as db:
        put_info(db, "splitter", splitter.model_dump())


def _stored(base_id: str, document: documents.Document, splitter: Splitter) -> Prepared | None:
    """A document of the base, split anew; None if its passages came ready-made or were worked on, or it has gone meanwhile."""
    if document.worked_on:
        return None
    with reading(base_id) as db:
        row = db.execute("SELECT given FROM documents WHERE id = ?", (document.id,)).fetchone()
        if row is None or row["given"]:
            return None
        pages = [
            Page(page["text"], page["number"], page["title"])
            for page in db.execute("SELECT * FROM pages WHERE document = ? ORDER BY place", (document.id,))
        ]
    chunks = split(pages, splitter, is_markdown(document.name))
    return Prepared(document.name, document.hash, document.bytes, document.language, pages, chunks)


def _expanded(name: str, path: Path, unpacked: Path) -> Iterator[Found]:
    """What is in a file, folder or zip. A single file is called as it is told; what is in a zip has a name of its own."""
    plain = not path.is_dir() and path.suffix.lower() != ".zip"
    for found in expand([path], unpacked):
        if plain:
            found.name = clean(name).replace("\n", " ")
        yield found


def _read(name: str, path: Path, digest: str, base: Base) -> Prepared:
    pages = load(path, name)
    chunks = split(pages, base.splitter, is_markdown(name))
    return Prepared(name, digest, path.stat().st_size, _language(pages[0].text), pages, chunks)


def _read_given(name: str, path: Path, digest: str, base: Base) -> Prepared:
    """Passages that came ready-made, one a line.

    Raises:
        BadInput: a line is none, or an id comes twice.
    """
    texts: list[str] = []
    keys: list[str] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                key, text = str(value["id"]), clean(value["text"]).strip()
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise BadInput(
                    'Line {line} of “{file}” is no passage: each line is {{"id": …, "text": …}}.',
                    line=number,
                    file=name,
                ) from error
            if key in seen:
                raise BadInput("The id “{key}” stands twice in “{file}”.", key=key[:100], file=name)
            if text:
                seen.add(key)
                keys.append(key)
                texts.append(text)
    if not texts:
        raise BadInput("“{file}” holds no text.", file=name)
    pages = [Page("\n\n".join(texts))]
    chunks, start, line = [], 0, 1
    for text in texts:
        chunks.append(Chunk(text, "", start, start + len(text), None, line))
        start += len(text) + 2
        line += text.count("\n") + 2
    return Prepared(name, digest, path.stat().st_size, _language(pages[0].text), pages, chunks, keys)


def _language(text: str) -> str:
    return "zh" if is_chinese(text) else told_language(text) or "und"


def _with_embedding(base: Base, language: str) -> Base:
    """The base with the model that its first document decides."""
    if base.embedding is None:
        with writing(base.id) as db:
            if get_info(db, "embedding") is None:
                put_info(db, "embedding", embeddings.choose(language))
        return bases.read(base.id)
    return base


def _other_language(prepared: Prepared, name: str) -> Note:
    return Note(
        file=prepared.name,
        sentence="“{file}” is in another language than {model} was made for: search will often miss it. Choose e5 in the base's settings.",
        values={"file": prepared.name, "model": embeddings.about(name).title},
    )


def _note(file: str, reason: StudioError) -> Note:
    return Note(file=file, sentence=reason.sentence, values={key: str(value) for key, value in reason.values.items()})
