"""From tokens to the text that may be shown: never half a character, never part of a stop string. Knows no model."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TokenText:
    """Token ids to text, without ever showing half a character.

    Decodes a short tail together with what follows it, since a token alone may lose its leading space; the method is
    vLLM's `detokenize_incrementally`.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase"):
        self.ids: list[int] = []
        self._tokenizer = tokenizer
        self._tail = 0  # where the tail that is decoded again begins
        self._read = 0  # how many ids have been shown

    def push(self, token: int) -> str:
        """Add a token; returns the text it completed."""
        self.ids.append(token)
        before = self._decode(self.ids[self._tail : self._read])
        now = self._decode(self.ids[self._tail :])
        if now.endswith("�") or len(now) <= len(before):
            return ""
        self._tail, self._read = self._read, len(self.ids)
        piece = now[len(before) :]
        return piece

    def rest(self) -> str:
        """What is left at the end, without half a character."""
        before = self._decode(self.ids[self._tail : self._read])
        piece = self._decode(self.ids[self._tail :])[len(before) :]
        self._tail = self._read = len(self.ids)
        return piece.rstrip("�")

    def _decode(self, ids: list[int]) -> str:
        # the return type covers batches, which this is not
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class StopText:
    """Holds back text that may turn out to be a stop string, and ends before the first one.

    Args:
        stops: the stop strings.
    """

    def __init__(self, stops: list[str]):
        self.found = False
        self._stops = stops
        self._held = ""

    def push(self, piece: str) -> str:
        """Add text; returns what may be shown."""
        held = self._held + piece
        places = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        self.found = bool(places)
        shown = min(places) if places else len(held) - self._begun(held)
        self._held = "" if places else held[shown:]
        return held[:shown]

    def rest(self) -> str:
        """What is held back at the end."""
        held, self._held = self._held, ""
        return held

    def _begun(self, held: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        most = min(len(held), max(map(len, self._stops), default=1) - 1)
        return next((n for n in range(most, 0, -1) if any(stop.startswith(held[-n:]) for stop in self._stops)), 0)
