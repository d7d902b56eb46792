"""Which rows train and which measure: by a hash of what the person first says, so that it never depends on the other rows.

Rows that begin with the same words go to the same side, however often they are there; rows that only nearly do can be found
by `leaking`. Nothing is drawn at random, nothing is written.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from engine.data.cleaning.near import NearDuplicates
from engine.data.registry import Card, raw_rows

Look = Callable[[int], None]


def falls_to_eval(row: dict[str, Any], share: float, seed: int) -> bool:
    """Whether a row measures, by the first thing the user says; blanks at its edges do not count.

    Of a prompt with its replies, capitals do not count either. (Of conversations they always have: trained adapters are
    measured on what this function kept aside.)

    Args:
        row: a conversation, or a prompt with its replies, as it lies on disk.
        share: of all prompts, 0 to below 1.
        seed: another one sends other prompts.
    """
    turns = row["messages"] if "messages" in row else row["prompt"]
    prompt = next((turn["content"] for turn in turns if turn["role"] == "user"), "")
    words = prompt.strip() if "messages" in row else prompt.strip().casefold()
    drawn = hashlib.blake2b(f"{seed}\n{words}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn) < share * 2**64


def leaking(card: Card, share: float, seed: int, similarity: float, look: Look) -> dict[int, int]:
    """The evaluation rows whose text is nearly that of a training row.

    Args:
        card: the dataset.
        share: see `falls_to_eval`.
        seed: see `falls_to_eval`.
        similarity: see `NearDuplicates`.
        look: called with each row's number; what it raises ends the search.

    Returns:
        The number of a training row for each such row's number; both from 0.
    """
    near = NearDuplicates(similarity, lambda row: text_of(card, row))
    twins: dict[int, list[int]] = {}  # evaluation rows that are nearly one added before share its fate
    for number, text in _side(card, share, seed, True):
        look(number)
        first = near.add(number, text)
        twins.setdefault(number if first is None else first, []).append(number)
    found: dict[int, int] = {}
    for number, text in _side(card, share, seed, False):
        look(number)
        # a training row may be near several evaluation rows that are no duplicates of each other
        for measured in near.find_all(text):
            for twin in twins[measured]:
                found.setdefault(twin, number)
    return found


def text_of(card: Card, row: int) -> str:
    """What is said in one row of conversations."""
    return _text(next(raw_rows(card, row, row + 1)))


def texts(card: Card) -> Iterator[tuple[int, str]]:
    """What is said in each row, with its number."""
    return ((number, _text(row)) for number, row in enumerate(raw_rows(card)))


def _side(card: Card, share: float, seed: int, evaluation: bool) -> Iterator[tuple[int, str]]:
    for number, row in enumerate(raw_rows(card)):
        if falls_to_eval(row, share, seed) is evaluation:
            yield number, _text(row)


def _text(row: dict[str, Any]) -> str:
    return "\n".join(turn["content"] for turn in row["messages"])
