"""Another embedding model for a whole base: its passages go into a new collection, which then takes the old one's place.

People ask the old collection until then. What changes meanwhile (a passage corrected, a document deleted) is taken up at the end.
"""

from collections.abc import Callable, Sequence

from engine.knowledge import embedding as embeddings
from engine.knowledge import index
from engine.knowledge.database import get_info, locked, new_vectors, next_generation, put_info, reading, writing
from engine.knowledge.passages import searched

_AT_ONCE = 1000


def embed_into_new_collection(base_id: str, name: str, progress: Callable[[int, int], None]) -> None:
    """Do it.

    Args:
        base_id: the base; its caller holds `filling`.
        name: the model.
        progress: told how many passages are done, and how many there are.
    """
    with reading(base_id) as db:
        collection = get_info(db, "collection") + 1
        wanted = _vectors_of_passages(db)
    numbers: dict[int, int] = {}  # old number → new one
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        numbers |= _embed(base_id, name, collection, part, lambda n, start=start: progress(start + n, len(wanted)))
    with locked(base_id):
        with reading(base_id) as db:
            late = [vector for vector in _vectors_of_passages(db) if vector not in numbers]
        numbers |= _embed(base_id, name, collection, late, lambda n: None, hold=True)
        _swap(base_id, name, collection, numbers)
        index.delete_collection(base_id, collection - 1)


def _vectors_of_passages(db) -> list[int]:
    return [row[0] for row in db.execute("SELECT vector FROM passages WHERE enabled ORDER BY vector")]


def _embed(
    base_id: str, name: str, collection: int, old: Sequence[int], told: Callable[[int], None], hold: bool = False
) -> dict[int, int]:
    """Put these passages into the new collection under new numbers; `hold`: the lock is held already."""
    with reading(base_id) as db:
        texts = {
            row["vector"]: searched(row["text"], row["heading"])
            for row in db.execute(
                f"SELECT vector, text, heading FROM passages WHERE vector IN ({','.join('?' * len(old))})", list(old)
            )
        }
    if not texts:
        return {}
    vectors = embeddings.embed(name, list(texts.values()), told)
    with writing(base_id) as db:
        new = new_vectors(db, len(texts))
    if hold:
        index.add(base_id, new, vectors, collection)
    else:
        with locked(base_id):
            index.add(base_id, new, vectors, collection)
    return dict(zip(texts, new, strict=True))


def _swap(base_id: str, name: str, collection: int, numbers: dict[int, int]) -> None:
    with writing(base_id) as db:
        db.executemany("UPDATE passages SET vector = ? WHERE vector = ?", [(new, old) for old, new in numbers.items()])
        # numbers of the old collection go with it; of the new one, those whose passage has gone meanwhile stay unsettled
        db.execute("DELETE FROM unsettled WHERE vector IN (SELECT vector FROM passages)")
        put_info(db, "collection", collection)
        put_info(db, "embedding", name)
        put_info(db, "floor", None)
        put_info(db, "threshold", None)  # it was calibrated for scores of another model
        before, generation = get_info(db, "generation"), next_generation(db)
    index.keep_up(base_id, before, generation)
