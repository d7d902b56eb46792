"""The index behind near-duplicates: which rows have a MinHash signature that resembles a given one.

Locality-sensitive hashing by bands (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, chapter 3): a signature is
cut into bands, and rows that agree in a whole band are looked at more closely. Ready-made indexes keep maps of lists,
1.4 kB (rensa) to 5.5 kB (datasketch) a row; here an entry is 8 bytes in an open hash table: a million rows take 230 MB.
"""

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BANDS = 16
WIDEST = 12
SIGNATURE = BANDS * WIDEST
"""Values of a signature, 32 bits each."""
_RECALL = 0.985
_SKETCH = 64
"""Values of which one byte is kept, to estimate a similarity (b-bit minwise hashing, Li and König 2010)."""
_MARGIN = 0.15
"""How far an estimate may lie below the similarity asked for: three standard deviations at 0.8."""
_LOAD = 0.8
_FIRST = 1 << 15
"""Rows the first table has room for; each further one has room for twice as many, so that none is ever copied."""
_WINDOW = 16
"""Slots an entry may lie behind its home; in a full table one entry in fifty finds none free and takes another's."""


class SignatureIndex:
    """Signatures to rows. A band that several rows share leads to the latest; nearly equal rows share others too.

    Args:
        similarity: from which one rows are looked for.
    """

    def __init__(self, similarity: float) -> None:
        import numpy as np

        self._width = band_width(similarity)
        self._least = similarity - _MARGIN
        # multiply-add hashing of vectors with random odd factors (Thorup 2015), the same ones in every process
        self._factors = np.random.default_rng(0).integers(2**64, size=(BANDS, self._width), dtype=np.uint64) | 1
        self._rows = array("I")
        self._sketches = bytearray()
        self._tables: list[np.ndarray] = []
        self._room = 0

    def add(self, row: int, signature: "np.ndarray") -> None:
        """Remember a row by its signature."""
        import numpy as np

        if not self._room:
            self._room = _FIRST << len(self._tables)
            self._tables.append(np.zeros(int(self._room * BANDS / _LOAD) + _WINDOW, np.uint64))
        self._room -= 1
        self._rows.append(row)
        self._sketches += _sketch(signature).tobytes()
        homes, marks = self._keys(signature)
        slots = _slots(self._tables[-1], homes)
        entries = self._tables[-1][slots]
        takes = (entries == 0) | (entries >> 32 == marks)
        place = slots[np.arange(BANDS), takes.argmax(axis=1)]  # the home itself, if there is no place
        self._tables[-1][place] = marks[:, 0] << 32 | np.uint64(len(self._rows) - 1)

    def candidates(self, signature: "np.ndarray") -> list[int]:
        """The rows that agree in a band and whose estimated similarity comes near enough, most similar first."""
        import numpy as np

        homes, marks = self._keys(signature)
        found: set[int] = set()
        for table in self._tables:
            entries = table[_slots(table, homes)]
            found.update((entries[entries >> 32 == marks] & 0xFFFFFFFF).tolist())
        if not found:
            return []
        order = np.array(sorted(found))
        sketches = np.frombuffer(self._sketches, np.uint8).reshape(-1, _SKETCH)[order]
        estimates = (sketches == _sketch(signature)).mean(axis=1)
        best = np.argsort(-estimates, kind="stable")
        return [self._rows[order[place]] for place in best if estimates[place] >= self._least]

    def _keys(self, signature: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
        """For each band 32 bits that say where its entry belongs, and 32 that tell it from others there, never 0."""
        bands = signature[: BANDS * self._width].reshape(BANDS, self._width)
        keys = mixed((bands * self._factors).sum(axis=1, keepdims=True))
        return keys >> 32, keys & 0xFFFFFFFF | 1


def band_width(similarity: float) -> int:
    """Values a band: as many as still let nearly all pairs at this similarity agree in one.

    More means fewer false candidates.
    """
    widths = range(1, WIDEST + 1)
    return max(width for width in widths if 1 - (1 - similarity**width) ** BANDS >= _RECALL)


def mixed(values: "np.ndarray") -> "np.ndarray":
    """Spread over all 64 bits: the finaliser of MurmurHash3 (Appleby), a bijection."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values = (values ^ values >> 33) * factor
    return values ^ values >> 33


def _sketch(signature: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return signature[:_SKETCH].astype(np.uint8)


def _slots(table: "np.ndarray", homes: "np.ndarray") -> "np.ndarray":
    """For each band the slots where its entry may be."""
    import numpy as np

    starts = homes * np.uint64(len(table) - _WINDOW) >> 32
    return starts.astype(np.int64) + np.arange(_WINDOW)
