"""A base's vectors in Chroma, embedded in the base's folder or on a server.

Chroma is safe for threads and not for processes: another process's client does not see what is written, and may write over it.
So every function here is called under `locked`, and opens the files anew when another process has changed them. Chroma gets
numbers and vectors only; a number without a passage in base.db counts for nothing.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.errors import Failure
from engine.knowledge.database import folder, get_info, locked, next_generation, reading, writing

if TYPE_CHECKING:
    import numpy as np

_HNSW: Any = {"hnsw": {"space": "cosine", "ef_search": 300, "ef_construction": 400, "max_neighbors": 32}}
"""Cosines, as Chroma's default cannot be changed later; and a denser graph than its default, which lost one of twenty right passages
among 5,000 (this one loses one of two hundred, in the same time a question)."""

_BATCH = 1000
"""Vectors that go in at once; Chroma's limit is 5,461."""


@dataclass
class _Open:
    """A client of this process, and the generation of the base that it knows."""

    client: Any
    generation: int
    collections: dict[str, Any] = field(default_factory=dict)
    """Handles by name: asking for one costs as much as a search."""


_opened: dict[Path, _Open] = {}


def load_library() -> None:
    """Import Chroma (a second or two) before the lock is taken, which others wait for."""
    import chromadb  # noqa: F401


def query(base_id: str, db: sqlite3.Connection, vector: "np.ndarray", count: int) -> dict[int, float]:
    """The numbers of the nearest vectors, and their cosines to this one; `db` reads the base."""
    collection = _collection(base_id, db)
    if collection is None or not (there := collection.count()):
        return {}
    found = collection.query(query_embeddings=[vector], n_results=min(count, there), include=["distances"])
    return {int(key): 1 - distance for key, distance in zip(found["ids"][0], found["distances"][0], strict=True)}


def cosines(base_id: str, db: sqlite3.Connection, vector: "np.ndarray", numbers: Sequence[int]) -> dict[int, float]:
    """The cosines of certain vectors to this one."""
    found = _get(base_id, db, numbers)
    return {int(key): float(other @ vector) for key, other in zip(found["ids"], found["embeddings"], strict=True)}


def vectors(base_id: str, numbers: Sequence[int]) -> "np.ndarray":
    """Those of these vectors that the index has, float32 (vectors, dimension)."""
    import numpy as np

    with reading(base_id) as db:
        return np.asarray(_get(base_id, db, numbers)["embeddings"], dtype=np.float32)


def _get(base_id: str, db: sqlite3.Connection, numbers: Sequence[int]) -> Any:
    collection = _collection(base_id, db) if numbers else None
    if collection is None:
        return {"ids": [], "embeddings": []}
    return collection.get(ids=[str(number) for number in numbers], include=["embeddings"])


def present(base_id: str, numbers: Sequence[int]) -> list[int]:
    """Those of these numbers that the index has."""
    with reading(base_id) as db:
        collection = _collection(base_id, db)
        if collection is None:
            return []
        found: list[int] = []
        for start in range(0, len(numbers), _BATCH):
            ids = [str(number) for number in numbers[start : start + _BATCH]]
            found += [int(key) for key in collection.get(ids=ids, include=[])["ids"]]
        return found


def add(base_id: str, numbers: Sequence[int], vectors: "np.ndarray", collection: int | None = None) -> None:
    """Put vectors in; they count only once passages have their numbers.

    Args:
        base_id: the base.
        numbers: from `database.new_vectors`.
        vectors: float32 (numbers, dimension).
        collection: the number of another collection than the base's own, which is made if need be.
    """
    for start in range(0, len(numbers), _BATCH):
        part = numbers[start : start + _BATCH]
        with _changing(base_id, collection, [("INSERT OR IGNORE INTO unsettled VALUES (?)", part)]) as there:
            there.upsert(ids=[str(number) for number in part], embeddings=vectors[start : start + _BATCH])


def remove(base_id: str, numbers: Sequence[int]) -> None:
    """Take vectors out whose passages are gone; their numbers stood in `unsettled` until now."""
    for start in range(0, len(numbers), _BATCH):
        part = numbers[start : start + _BATCH]
        with _changing(base_id) as there:
            there.delete(ids=[str(number) for number in part])
        with writing(base_id) as db:
            db.executemany("DELETE FROM unsettled WHERE vector = ?", [(number,) for number in part])


def sweep(base_id: str) -> None:
    """Take out what a killed process left: vectors without a passage, collections that were never finished."""
    with reading(base_id) as db:
        left = [row[0] for row in db.execute("SELECT vector FROM unsettled")]
        if _collection(base_id, db) is None and not left:
            return
        current = _name(base_id, get_info(db, "collection"))
        client = _client(base_id, db)
    ours = f"{base_id}."
    for other in client.list_collections():
        if other.name.startswith(ours) and other.name != current:
            _delete_collection(base_id, other.name)
    remove(base_id, left)


def sweep_under_lock(base_id: str) -> None:
    """`sweep`, for those who hold no lock yet."""
    load_library()
    with locked(base_id):
        sweep(base_id)


def delete_collection(base_id: str, number: int) -> None:
    """Take out a collection that the base uses no more."""
    _delete_collection(base_id, _name(base_id, number))


def close(base_id: str) -> None:
    """Let go of this process's client, for the folder goes or another process has changed it."""
    if opened := _opened.pop(_path(base_id), None):
        opened.client.close()


def delete_everything(base_id: str) -> None:
    """Before the base's folder goes: what it has on a server goes too."""
    with reading(base_id) as db:
        server = get_info(db, "server")
        if server:
            client = _client(base_id, db)
            for each in client.list_collections():
                if each.name.startswith(f"{base_id}."):
                    client.delete_collection(each.name)
    close(base_id)


def _path(base_id: str) -> Path:
    return folder(base_id).resolve()


def _name(base_id: str, number: int) -> str:
    return f"{base_id}.{number}"


def _collection(base_id: str, db: sqlite3.Connection) -> Any | None:
    """The base's collection as it is now; None before the first vector."""
    from chromadb.errors import NotFoundError

    if not get_info(db, "server") and not (folder(base_id) / "chroma").exists():
        return None
    client, name = _client(base_id, db), _name(base_id, get_info(db, "collection"))
    known = _opened[_path(base_id)].collections
    if name not in known:
        with contextlib.suppress(NotFoundError):
            known[name] = client.get_collection(name, embedding_function=None)
    return known.get(name)


@contextlib.contextmanager
def _changing(
    base_id: str, number: int | None = None, statements: Sequence[tuple[str, Sequence[int]]] = ()
) -> Iterator[Any]:
    """A collection that is about to change. Others learn of it before it happens, so that none trusts what it has in memory."""
    with writing(base_id) as db:
        client = _client(base_id, db)
        for statement, numbers in statements:
            db.executemany(statement, [(each,) for each in numbers])
        generation = next_generation(db)
        name = _name(base_id, number or get_info(db, "collection"))
    yield client.get_or_create_collection(name, configuration=_HNSW, embedding_function=None)
    _keep_up(base_id, generation)


def _keep_up(base_id: str, generation: int) -> None:
    """This process's client made the change itself, so it is as new as the base."""
    if opened := _opened.get(_path(base_id)):
        opened.generation = generation


def keep_up(base_id: str, before: int, after: int) -> None:
    """The base went from one generation to the next by a change of this process that did not touch the index."""
    if (opened := _opened.get(_path(base_id))) and opened.generation == before:
        opened.generation = after


def _client(base_id: str, db: sqlite3.Connection) -> Any:
    """This process's client; a new one if another process has changed the index since it was opened."""
    path, generation, server = _path(base_id), get_info(db, "generation"), get_info(db, "server")
    opened = _opened.get(path)
    if opened and (opened.generation == generation or server):
        return opened.client
    close(base_id)
    try:
        client = _connect(server) if server else _open(path / "chroma")
    except Exception as error:
        raise Failure(
            "The index of this knowledge base cannot be opened ({reason}).",
            reason=str(error)[:200] or type(error).__name__,
        ) from error
    _opened[path] = _Open(client, generation)
    return client


def _open(path: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    _remove_orphans(path)
    return chromadb.PersistentClient(str(path), Settings(anonymized_telemetry=False))


def _connect(server: str) -> Any:
    import chromadb
    from chromadb.config import Settings

    address = urlsplit(server)
    secure = address.scheme == "https"
    return chromadb.HttpClient(
        host=address.hostname or "127.0.0.1",
        port=address.port or (443 if secure else 8000),
        ssl=secure,
        settings=Settings(anonymized_telemetry=False),
    )


def _remove_orphans(path: Path) -> None:
    """Deleted collections leave their folders on disk (chroma-core/chroma#5259): those that no segment names go."""
    import shutil

    if not (path / "chroma.sqlite3").exists():
        return
    db = sqlite3.connect(f"file:{path / 'chroma.sqlite3'}?mode=ro", uri=True)
    try:
        named = {row[0] for row in db.execute("SELECT id FROM segments")}
    except sqlite3.Error:
        return
    finally:
        db.close()
    for left in path.iterdir():
        if left.is_dir() and left.name not in named:
            shutil.rmtree(left, ignore_errors=True)


def _delete_collection(base_id: str, name: str) -> None:
    from chromadb.errors import NotFoundError

    with writing(base_id) as db:
        client = _client(base_id, db)
        generation = next_generation(db)
    with contextlib.suppress(NotFoundError):
        client.delete_collection(name)
    with reading(base_id) as db:
        if get_info(db, "server"):
            _keep_up(base_id, generation)
        else:
            close(base_id)  # opening it again sweeps the folder that the collection leaves
            _client(base_id, db)
