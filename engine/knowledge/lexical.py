"""BM25 over the passages of one base, in memory, and brought up to date by what changed.

Libraries for BM25 build an index of a fixed set of texts; here passages come and go while others ask, in several processes, so
each process keeps arrays of its own: what is new is added as a segment, what is gone is struck out. Nothing is ever counted
again from text. Formula: Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009), idf as in Lucene.
"""

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.knowledge.database import get_info
from engine.knowledge.terms import question_terms, terms

if TYPE_CHECKING:
    import numpy as np

K1, B = 1.2, 0.4
"""Chosen on CMRC 2018's trial split: long passages there are not longer for saying the same thing twice."""

LEAST = 64
"""Passages that a base is taken to have at least: in a base of three even the rarest term would weigh next to nothing, and a score
would mean something else than in one of three hundred (measured on the trial split: 23 % false refusals at 1 passage, 1 % so)."""

_MOST_SEGMENTS = 8


@dataclass
class _Segment:
    """Postings of passages that came at the same time, sorted by term."""

    terms: "np.ndarray"
    slots: "np.ndarray"
    """Places in `Lexical`'s arrays of passages."""
    counts: "np.ndarray"


def encode(text: str) -> tuple[bytes, bytes, int]:
    """What the database keeps of a passage's terms.

    Returns:
        Hashes of the terms (uint32, sorted), how often each is there (uint8), how many terms there are in all.
    """
    import numpy as np

    counted = Counter(map(_hash, terms(text)))
    keys = np.array(sorted(counted), dtype=np.uint32)
    counts = np.array([min(counted[key], 255) for key in keys.tolist()], dtype=np.uint8)
    return keys.tobytes(), counts.tobytes(), sum(counted.values())


class Lexical:
    """The index of one base, for one thread at a time."""

    def __init__(self) -> None:
        import numpy as np

        self._generation = -1
        self._segments: list[_Segment] = []
        self._vectors = np.empty(0, dtype=np.int64)  # ascending
        self._lengths = np.empty(0, dtype=np.float32)
        self._alive = np.empty(0, dtype=bool)
        self._norms = np.empty(0, dtype=np.float32)

    def refresh(self, db: sqlite3.Connection) -> None:
        """Take up what has changed in the base since the last time."""
        import numpy as np

        generation = get_info(db, "generation")
        if generation == self._generation:
            return
        rows = db.execute("SELECT vector FROM passages WHERE enabled ORDER BY vector").fetchall()
        now = np.array([row[0] for row in rows], dtype=np.int64)
        self._alive = np.isin(self._vectors, now, assume_unique=True)
        last = int(self._vectors[-1]) if len(self._vectors) else 0
        if len(now) and now[-1] > last:
            query = "SELECT vector, terms, counts FROM passages WHERE enabled AND vector > ? ORDER BY vector"
            self._add(db.execute(query, (last,)))
        if len(self._segments) > _MOST_SEGMENTS or self._alive.sum() < len(self._alive) / 2:
            self._compact()
        lengths = self._lengths[self._alive]
        mean = float(lengths.mean()) if len(lengths) else 1.0
        self._norms = K1 * (1 - B + B * self._lengths / max(mean, 1.0))
        self._generation = generation

    def score(self, question: str) -> tuple["np.ndarray", "np.ndarray"]:
        """How well each passage fits.

        Returns:
            Numbers of vectors (int64), and for each the share, 0 to 1, that its BM25 score has of the greatest that any
            passage could reach with this question's terms.
        """
        import numpy as np

        scores = np.zeros(len(self._vectors), dtype=np.float32)
        count, reachable = max(LEAST, int(self._alive.sum())), 0.0
        for key in dict.fromkeys(map(_hash, question_terms(question))):
            found = [self._postings(segment, key) for segment in self._segments]
            with_term = sum(int(self._alive[slots].sum()) for slots, _ in found)
            weight = float(np.log1p((count - with_term + 0.5) / (with_term + 0.5)))
            reachable += weight
            for slots, counts in found:
                scores[slots] += weight * counts / (counts + self._norms[slots])
        return self._vectors[self._alive], scores[self._alive] / max(reachable, 1e-9)

    def _add(self, rows: Iterable[sqlite3.Row]) -> None:
        import numpy as np

        start = len(self._vectors)
        vectors, keys, counts = [], [], []
        for row in rows:
            vectors.append(row["vector"])
            keys.append(np.frombuffer(row["terms"], dtype=np.uint32))
            counts.append(np.frombuffer(row["counts"], dtype=np.uint8))
        slots = np.repeat(np.arange(start, start + len(keys), dtype=np.int32), [len(each) for each in keys])
        self._segments.append(_sorted(np.concatenate(keys), slots, np.concatenate(counts)))
        lengths = [int(each.sum()) for each in counts]
        self._vectors = np.concatenate([self._vectors, np.array(vectors, dtype=np.int64)])
        self._lengths = np.concatenate([self._lengths, np.array(lengths, dtype=np.float32)])
        self._alive = np.concatenate([self._alive, np.ones(len(vectors), dtype=bool)])

    def _compact(self) -> None:
        """One segment of all that is alive."""
        import numpy as np

        keys, slots, counts = (
            np.concatenate([getattr(segment, part) for segment in self._segments])
            for part in ("terms", "slots", "counts")
        )
        kept = self._alive[slots]
        places = (np.cumsum(self._alive) - 1).astype(np.int32)
        self._segments = [_sorted(keys[kept], places[slots[kept]], counts[kept])]
        self._vectors, self._lengths = self._vectors[self._alive], self._lengths[self._alive]
        self._alive = np.ones(len(self._vectors), dtype=bool)

    def _postings(self, segment: _Segment, key: int) -> tuple["np.ndarray", "np.ndarray"]:
        import numpy as np

        first, last = (
            np.searchsorted(segment.terms, np.uint32(key)),
            np.searchsorted(segment.terms, np.uint32(key), "right"),
        )
        return segment.slots[first:last], segment.counts[first:last].astype(np.float32)


def _sorted(keys: "np.ndarray", slots: "np.ndarray", counts: "np.ndarray") -> _Segment:
    order = keys.argsort(kind="stable")
    return _Segment(keys[order], slots[order], counts[order])


def _hash(term: str) -> int:
    return zlib.crc32(term.encode())
