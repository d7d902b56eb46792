"""The suggestion follows the loop: chat, rate, dataset, train, compare, use."""

import pytest

from engine.next_step import ENOUGH, Counts, next_step

LOOP = [
    ("begin", Counts()),
    ("rate", Counts(conversations=1)),
    ("rate", Counts(conversations=1, feedback=ENOUGH - 1, new_feedback=ENOUGH - 1)),
    ("dataset", Counts(conversations=1, feedback=ENOUGH, new_feedback=ENOUGH)),
    ("train", Counts(conversations=1, feedback=ENOUGH, datasets=1, untrained_datasets=1)),
    ("watch", Counts(conversations=1, feedback=ENOUGH, datasets=1, untrained_datasets=1, active_runs=1)),
    ("compare", Counts(conversations=1, feedback=ENOUGH, datasets=1, adapters=1)),
    ("use", Counts(conversations=1, feedback=ENOUGH, datasets=1, adapters=1, newest_compared=1)),
    (
        "dataset",
        Counts(conversations=1, feedback=99, new_feedback=ENOUGH, datasets=1, adapters=1, newest_compared=1),
    ),
]
SHORTCUTS = [
    ("train", Counts(datasets=1, untrained_datasets=1)),  # the sample, before anybody has chatted
    ("chat", Counts(feedback=3, new_feedback=3)),  # a newcomer in a team that has begun
    ("chat", Counts(feedback=3, datasets=1, adapters=1, newest_compared=1)),
    ("dataset", Counts(feedback=ENOUGH, new_feedback=ENOUGH)),  # others have rated enough already
    ("watch", Counts(active_runs=1)),
    ("compare", Counts(adapters=1)),  # imported, never tried
]


@pytest.mark.parametrize(("step", "counts"), LOOP + SHORTCUTS)
def test_step(step, counts):
    assert next_step(counts) == step
