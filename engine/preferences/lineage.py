"""Which judgements an adapter learnt from, and which adapters learnt from a judgement.

Follows what the adapters' cards and the rows of their datasets say; what was deleted since leaves no trace here.
"""

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from engine.adapters.store import Adapter, Card, list_adapters, read_adapter
from engine.data import registry
from engine.errors import BadInput
from engine.feedback.store import FeedbackFilter, find


def feedback_of(adapter: Adapter) -> set[int]:
    """Numbers of the judgements that an adapter learnt from, with those of the adapters it goes on from."""
    return set().union(*(_own(card) for card in _line(adapter)))


def adapters_trained_on(feedback_ids: set[int]) -> list[str]:
    """The adapters in the store that learnt from any of these judgements, newest first."""
    return [adapter.name for adapter in list_adapters() if feedback_of(adapter) & feedback_ids]


def adapters_of(annotator: str) -> list[str]:
    """The adapters in the store that learnt from what a person said, newest first."""
    return adapters_trained_on({row.id for row in find(FeedbackFilter(annotator=annotator))})


def _line(adapter: Adapter) -> Iterator[Card]:
    """The cards of an adapter and of those it was trained from or merged of, one after the other."""
    seen = {adapter.name}
    waiting = [adapter.card]
    while waiting:
        card = waiting.pop()
        yield card
        for parent in _parents(card):
            if parent not in seen:
                seen.add(parent)
                with contextlib.suppress(BadInput):  # deleted since
                    waiting.append(read_adapter(parent).card)


def _parents(card: Card) -> list[str]:
    """Names of what an adapter was made from; cards may come from elsewhere and say anything."""
    merged = card.spec.get("parents")
    names = [parent.get("name") for parent in merged if isinstance(parent, dict)] if isinstance(merged, list) else []
    return [name for name in (card.spec.get("from_adapter"), *names) if isinstance(name, str)]


def _own(card: Card) -> set[int]:
    extra = card.model_extra or {}
    if "feedback" in extra:
        return _numbers(extra["feedback"])
    version = _version(card)
    return _in_rows(version.reference, version.content_sha256) if version else set()


def _version(card: Card) -> registry.Card | None:
    """The version of the dataset that was trained on: the card names the dataset, its hash tells the version."""
    try:
        found = registry.versions(card.dataset or "")
    except (BadInput, OSError, ValueError):
        return None
    return next((version for version in found if version.content_sha256 == card.dataset_hash), None)


@lru_cache(maxsize=256)
def _in_rows(reference: str, sha256: str) -> set[int]:
    # a version never changes, so it is read once; the hash tells a dataset from a later one of the same name
    numbers: set[int] = set()
    for row in registry.raw_rows(registry.card(reference)):
        numbers |= _numbers(row.get("source", {}).get("feedback"))
    return numbers


def _numbers(value: Any) -> set[int]:
    """Cards and rows may come from elsewhere and say anything."""
    return {number for number in value if isinstance(number, int)} if isinstance(value, list) else set()
