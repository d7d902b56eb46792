"""Which knowledge bases there are, and what is set for each: create, find, change, delete.

A base has a display name of any script and an id that its folder is called by. Documents are elsewhere.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from engine.errors import BadInput
from engine.knowledge import embedding as embeddings
from engine.knowledge import index
from engine.knowledge.database import all_info, folder, locked, make, put_info, reading, writing
from engine.knowledge.splitting import Splitter
from engine.settings import settings

Language = Literal["auto", "en", "zh"]
_MOST_NAME = 80
_CHANGEABLE = ("name", "description", "threshold", "no_answer", "reranker")


class Base(BaseModel):
    """A knowledge base as it is now."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    description: str = ""
    language: Language = "auto"
    embedding: str | None = None
    """None until the first document decides."""
    splitter: Splitter = Splitter()
    threshold: float | None = None
    """The least score of a passage that may answer; None for the embedding model's default."""
    no_answer: str = ""
    """What is said when nothing reaches it; empty for the studio's own words."""
    reranker: str | None = None
    """A cross-encoder of sentence-transformers that orders what was found anew."""
    server: str | None = None
    """The Chroma server that has its vectors; None if they lie in its folder."""
    created: float = 0.0
    documents: int = 0
    passages: int = 0
    main_language: str = "und"
    """That of most documents."""

    @property
    def effective_threshold(self) -> float:
        """The threshold that holds for questions in the language of most documents."""
        return self.threshold if self.threshold is not None else self.default_threshold

    @property
    def default_threshold(self) -> float:
        """The embedding model's."""
        return embeddings.about(self.embedding or "e5").reads(self.main_language == "zh").least(self.passages)


def create(
    name: str,
    description: str = "",
    language: Language = "auto",
    embedding: str | None = None,
    splitter: Splitter | None = None,
) -> Base:
    """A new base without documents.

    Args:
        name: how people call it; any script.
        description: what is in it.
        language: of its documents; `auto` looks at the first ones.
        embedding: a name that `engine.knowledge.embedding` knows; None chooses by language.
        splitter: how documents are split.

    Raises:
        BadInput: the name is taken or is none, or there is no such model.
    """
    chosen = embeddings.check_name(embedding) if embedding else None
    if chosen is None and language != "auto":
        chosen = embeddings.choose(language)
    with _turn():
        base = Base(
            id=f"kb-{secrets.token_hex(4)}",
            name=_free_name(name),
            description=description.strip(),
            language=language,
            embedding=chosen,
            splitter=splitter or Splitter(),
            server=settings().chroma_url,
            created=time.time(),
        )
        made = settings().knowledge_bases / f".{base.id}"
        made.mkdir()
        make(made, base.model_dump(exclude={"id", "documents", "passages", "main_language"}))
        made.rename(made.with_name(base.id))
    return read(base.id)


def get(name: str) -> Base:
    """A base by its name or id.

    Raises:
        BadInput: there is none.
    """
    for base in list_bases():
        if name in (base.id, base.name):
            return base
    raise BadInput(
        "There is no knowledge base “{name}”: `python -m engine kb list` shows which there are.", name=name[:100]
    )


def list_bases() -> list[Base]:
    """All bases, the newest first. A folder that cannot be read is passed over."""
    found = []
    for path in settings().knowledge_bases.glob("kb-*"):
        try:
            found.append(read(path.name))
        except (BadInput, sqlite3.Error, ValueError):
            continue
    return sorted(found, key=lambda base: base.created, reverse=True)


def read(base_id: str) -> Base:
    """A base by its id.

    Raises:
        BadInput: there is none.
    """
    with reading(base_id) as db:
        values: dict[str, Any] = all_info(db)
        values["documents"] = db.execute("SELECT COUNT(*) FROM documents").fetchone()[0]
        values["passages"] = db.execute("SELECT COUNT(*) FROM passages").fetchone()[0]
        languages = db.execute("SELECT language FROM documents GROUP BY language ORDER BY COUNT(*) DESC LIMIT 1")
        values["main_language"] = next((row[0] for row in languages), values["language"])
    known = {key: value for key, value in values.items() if key in Base.model_fields and value is not None}
    return Base(id=base_id, **known)


def change(base_id: str, **values: Any) -> Base:
    """Change what can be changed without touching the passages: name, description, threshold, no_answer, reranker.

    Raises:
        BadInput: the name is taken, or the threshold is not from 0 to 1.
    """
    unknown = set(values) - set(_CHANGEABLE)
    assert not unknown, f"not changed here: {unknown}"
    threshold = values.get("threshold")
    if threshold is not None and not 0 <= threshold <= 1:
        raise BadInput("The threshold must be from 0 to 1.")
    with _turn():
        if "name" in values:
            values["name"] = _free_name(values["name"], base_id)
        with writing(base_id) as db:
            for key, value in values.items():
                put_info(db, key, value)
    return read(base_id)


def delete(base_id: str) -> None:
    """Remove a base and all that is in it.

    Raises:
        BadInput: there is none.
    """
    path = folder(base_id)
    with locked(base_id):
        index.delete_everything(base_id)
        gone = path.with_name(f".{base_id}.gone")
        path.rename(gone)  # from here on there is no such base, whatever happens
    shutil.rmtree(gone)


def _free_name(name: str, base_id: str | None = None) -> str:
    name = " ".join(name.split())
    if not name or len(name) > _MOST_NAME or not name.isprintable():
        raise BadInput("A knowledge base needs a name of at most {most} characters.", most=_MOST_NAME)
    if any(other.id != base_id and name in (other.name, other.id) for other in list_bases()):
        raise BadInput("There is already a knowledge base “{name}”: choose another name.", name=name)
    return name


@contextmanager
def _turn() -> Iterator[None]:
    """Two that give names take turns."""
    descriptor = os.open(settings().knowledge_bases / ".names.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
