"""Near-duplicates: rows whose texts share most of their character shingles, in any language.

Candidates come from MinHash signatures (Broder 1997; computed by rensa); one counts only if the true Jaccard similarity
of the two texts reaches the limit. The same rows give the same answers in every process. What the texts mean is never
compared.
"""

import unicodedata
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from engine.data.cleaning.signatures import SIGNATURE, SignatureIndex, mixed

if TYPE_CHECKING:
    import numpy as np

LONGEST = 100_000
"""Characters of a text that are compared: a longer one is judged by its beginning."""
_CJK = 0x2E80
"""Scripts from this code point on write a syllable or a word with one character."""


class NearDuplicates:
    """Finds, for one text after another, an earlier one that is nearly the same.

    Args:
        similarity: from which Jaccard similarity of their shingles two texts are near-duplicates, 0.5 to 1.
        text_of: gives the text of a row that was added before.
    """

    def __init__(self, similarity: float, text_of: Callable[[int], str]):
        self._similarity = similarity
        self._text_of = text_of
        self._index = SignatureIndex(similarity)

    def add(self, row: int, text: str) -> int | None:
        """The earlier row that this one duplicates; if there is none, remember this one. Rows are below 2³²."""
        shingles = shingled(text)
        signature = _signature(shingles)
        found = next(self._near(shingles, signature), None)
        if found is None:
            self._index.add(row, signature)
        return found

    def find(self, text: str) -> int | None:
        """A row added before that this text duplicates."""
        return next(iter(self.find_all(text)), None)

    def find_all(self, text: str) -> list[int]:
        """The rows added before that this text duplicates: they need not be duplicates of each other."""
        shingles = shingled(text)
        return list(self._near(shingles, _signature(shingles)))

    def _near(self, shingles: "np.ndarray", signature: "np.ndarray") -> Iterator[int]:
        for row in self._index.candidates(signature):
            if jaccard(shingles, shingled(self._text_of(row))) >= self._similarity:
                yield row


def shingled(text: str) -> "np.ndarray":
    """The distinct shingles of a text, as sorted hashes.

    A shingle is two characters where the first is Chinese, Japanese or Korean, and three elsewhere: with these, a small
    edit costs a short text little, and of 40,000 unrelated pairs in the benchmark none came above 0.56. Case, width
    (，or ,) and the amount of white space make no difference. Spaces fill up what is shorter than a shingle.
    """
    import numpy as np

    folded = " ".join(unicodedata.normalize("NFKC", text[:LONGEST]).casefold().split())
    letters = np.frombuffer((folded + " ").ljust(3).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    third = np.where(letters[:-2] < _CJK, letters[2:], 0)
    hashes = np.sort(mixed(letters[:-2] | letters[1:-1] << 21 | third << 42))  # a code point has 21 bits
    return hashes[np.concatenate(([True], hashes[1:] != hashes[:-1]))]


def jaccard(first: "np.ndarray", second: "np.ndarray") -> float:
    """The shingles two texts share, as part of all that they have."""
    import numpy as np

    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


def _signature(shingles: "np.ndarray") -> "np.ndarray":
    import numpy as np
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]  (compiled, without stubs)

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, [0, len(shingles)], SIGNATURE, 0)
    return np.array(matrix.to_rows()[0], np.uint64)
