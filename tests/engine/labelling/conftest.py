"""A queue with prompts in it, and the moments of a working day."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.labelling import queues, sources, tasks
from engine.labelling.schema import Queue

START = datetime(2026, 11, 30, 9, tzinfo=UTC)


def minute(number: float) -> datetime:
    """So many minutes after work began."""
    return START + timedelta(minutes=number)


@pytest.fixture
def make_queue(studio_home):
    """`make_queue(prompts=3, overlap=2)` makes a queue with three numbered prompts."""

    def make(name: str = "q", prompts: int = 3, **options) -> Queue:
        queue = queues.create(name, "Olga", **options)
        tasks.add(queue.id, sources.typed("\n".join(f"prompt {n}" for n in range(1, prompts + 1)), "Olga"))
        return queue

    return make
