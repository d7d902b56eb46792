"""A question finds passages: by meaning (vectors) and by words (BM25), in one score from 0 to 1, higher is better.

The score is a weighted mean of two shares: how much of the BM25 score that any passage could reach with this question's terms
the passage has, and how far its cosine lies above that of unrelated texts. Unlike ranks, both say how good the best passage
is, not only that it is the best; so the same score orders passages and refuses. Nothing here asks a chat model.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.knowledge import bases, index
from engine.knowledge import embedding as embeddings
from engine.knowledge.bases import Base
from engine.knowledge.database import folder, get_info, locked, put_info, reading, writing
from engine.knowledge.lexical import Lexical
from engine.knowledge.passages import Passage, by_vectors
from engine.knowledge.terms import is_chinese

if TYPE_CHECKING:
    import numpy as np

CANDIDATES = 40
"""Passages that each arm proposes."""
_MOST_QUESTION = 4000
_FLOOR_SAMPLE = 200


@dataclass(frozen=True)
class Hit:
    """A passage that was found, and why."""

    base: str
    base_name: str
    passage: Passage
    score: float
    lexical: float
    """Share of the reachable BM25 score."""
    dense: float
    """How far the cosine lies between unrelated (0) and the same (1)."""
    lexical_rank: int | None
    """From 1; None if that arm did not propose it."""
    dense_rank: int | None
    rerank: float | None = None
    """What the base's cross-encoder says, 0 to 1."""


@dataclass(frozen=True)
class Found:
    """What a question found."""

    question: str
    hits: list[Hit]
    """At or above the threshold, the best first."""
    below: list[Hit]
    """The best of those under it: why nothing was found."""
    threshold: float
    seconds: float

    @property
    def best(self) -> float:
        """The score that decides whether there is an answer; 0 if there is no passage at all."""
        return max((hit.score for hit in [*self.hits, *self.below]), default=0.0)


def search(base_ids: Sequence[str], question: str, limit: int = 5, threshold: float | None = None) -> Found:
    """The passages that may answer a question.

    Args:
        base_ids: where to look; passages of several bases compete by their scores.
        question: as it was asked.
        limit: passages at most.
        threshold: instead of each base's own.

    Raises:
        BadInput: the question is empty, or there is no such base.
    """
    if not base_ids:
        raise BadInput("Choose a knowledge base to ask.")
    began = time.perf_counter()
    hits: list[Hit] = []
    below: list[Hit] = []
    thresholds: list[float] = []
    for base_id in dict.fromkeys(base_ids):
        base = bases.read(base_id)
        own = base.threshold if threshold is None else threshold
        least = _reading(base, question).least(base.passages) if own is None else own
        thresholds.append(least)
        ranked = _ranked(base, question, max(limit, 10))
        # the gate is the fused score also where a cross-encoder orders what passed it: that is what was calibrated
        hits += [hit for hit in ranked if hit.score >= least]
        below += [hit for hit in ranked if hit.score < least]
    hits.sort(key=_order, reverse=True)
    below.sort(key=lambda hit: hit.score, reverse=True)
    return Found(question, hits[:limit], below[:limit], min(thresholds), time.perf_counter() - began)


def rank(base_id: str, question: str, limit: int = 10) -> list[Hit]:
    """The best passages of one base, whatever their scores.

    Raises:
        BadInput: the question is empty, or there is no such base.
    """
    return _ranked(bases.read(base_id), question, limit)


def _ranked(base: Base, question: str, limit: int) -> list[Hit]:
    hits = sorted(_candidates(base, question), key=lambda hit: hit.score, reverse=True)[:limit]
    return sorted(_reranked(base, question, hits), key=_order, reverse=True)


def _order(hit: Hit) -> float:
    return hit.score if hit.rerank is None else hit.rerank


def _reading(base: Base, question: str) -> embeddings.Reading:
    return embeddings.about(base.embedding or "e5").reads(is_chinese(question))


def _candidates(base: Base, question: str) -> list[Hit]:
    """What either arm proposes, with the scores of both."""
    question = question.replace("\0", " ").strip()
    if not question:
        raise BadInput("Write a question.")
    question = question[:_MOST_QUESTION]
    if base.embedding is None:
        return []
    reading_ = _reading(base, question)
    vector = embeddings.embedder(base.embedding).question(question)
    index.load_library()
    with locked(base.id), reading(base.id) as db:
        nearest = index.query(base.id, db, vector, CANDIDATES)
        words = _lexical(base.id)
        words.refresh(db)
        numbers, shares = words.score(question)
        wordy = _best(numbers, shares, CANDIDATES)
        cosines = nearest | index.cosines(base.id, db, vector, [number for number in wordy if number not in nearest])
        passages = by_vectors(db, list(cosines))
        floor = reading_.floor if reading_.floor is not None else _floor(base)
    share_of = _shares(numbers, shares, cosines)
    hits = []
    by_meaning = {number: place for place, number in enumerate(nearest, 1)}
    by_words = {number: place for place, number in enumerate(wordy, 1)}
    for number, passage in passages.items():
        dense = min(1.0, max(0.0, (cosines[number] - floor) / (1 - floor)))
        score = (share_of[number] + reading_.weight * dense) / (1 + reading_.weight)
        ranks = by_words.get(number), by_meaning.get(number)
        hits.append(Hit(base.id, base.name, passage, score, share_of[number], dense, *ranks))
    return hits


def _best(numbers: "np.ndarray", shares: "np.ndarray", count: int) -> list[int]:
    """The numbers with the greatest shares above 0, the best first."""
    import numpy as np

    count = min(count, int((shares > 0).sum()))
    if not count:
        return []
    places = np.argpartition(-shares, count - 1)[:count]
    return numbers[places[np.argsort(-shares[places], kind="stable")]].tolist()


def _shares(numbers: "np.ndarray", shares: "np.ndarray", wanted: dict[int, float]) -> dict[int, float]:
    """The share of each wanted number; the numbers ascend. A number that the other arm alone still knows has none."""
    import numpy as np

    keys = np.fromiter(wanted, dtype=np.int64, count=len(wanted))
    places = np.minimum(np.searchsorted(numbers, keys), max(0, len(numbers) - 1))
    return {
        int(key): float(shares[place]) if len(numbers) and numbers[place] == key else 0.0
        for key, place in zip(keys, places, strict=True)
    }


_lexicals: dict[str, Lexical] = {}
_lexicals_lock = threading.Lock()


def _lexical(base_id: str) -> Lexical:
    """This process's BM25 index of a base; its caller holds the base's lock. By path, as another home has other bases."""
    with _lexicals_lock:
        return _lexicals.setdefault(str(folder(base_id).resolve()), Lexical())


def _floor(base: Base) -> float:
    """The mean cosine of unrelated passages, measured once for a model that nothing is known of."""
    import numpy as np

    with reading(base.id) as db:
        if (measured := get_info(db, "floor")) is not None:
            return measured
        numbers = [
            row[0]
            for row in db.execute(
                "SELECT vector FROM passages WHERE enabled ORDER BY RANDOM() LIMIT ?", (_FLOOR_SAMPLE,)
            )
        ]
    vectors = index.vectors(base.id, numbers)
    if len(vectors) < 10:
        return 0.0
    alike = vectors @ vectors.T
    floor = float((alike.sum() - np.trace(alike)) / (len(alike) * (len(alike) - 1)))
    if len(vectors) == _FLOOR_SAMPLE:  # enough to be kept
        with writing(base.id) as db:
            put_info(db, "floor", floor)
    return floor


def _reranked(base: Base, question: str, hits: list[Hit]) -> list[Hit]:
    if not base.reranker or not hits:
        return hits
    scores = _cross_encoder(base.reranker).predict([(question, hit.passage.text) for hit in hits])
    return [replace(hit, rerank=float(score)) for hit, score in zip(hits, scores, strict=True)]


@cache
def _cross_encoder(name: str) -> Any:
    import torch
    from sentence_transformers import CrossEncoder

    return CrossEncoder(name, activation_fn=torch.nn.Sigmoid(), trust_remote_code=False)
