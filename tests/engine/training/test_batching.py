"""Batches by length: every row once, the same again for the same epoch, little padding."""

import random

import pytest

from engine.training.trainer.batching import ByLength

LENGTHS = random.Random(1).choices(range(10, 500), k=1003)


@pytest.fixture
def sampler():
    return ByLength(LENGTHS, batch=8, seed=3, epoch=lambda: 0)


def test_every_row_once(sampler):
    assert sorted(sampler) == list(range(1003))
    assert len(sampler) == 1003


def test_the_order_is_of_the_seed_and_the_epoch(sampler):
    first = list(sampler)
    assert list(sampler) == first
    assert list(ByLength(LENGTHS, batch=8, seed=3, epoch=lambda: 1)) != first
    assert list(ByLength(LENGTHS, batch=8, seed=4, epoch=lambda: 0)) != first


def test_little_is_padded(sampler):
    order = list(sampler)
    batches = [[LENGTHS[row] for row in order[start : start + 8]] for start in range(0, len(order), 8)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert padded < 1.05 * sum(LENGTHS)


def test_long_and_short_batches_are_mixed(sampler):
    order = list(sampler)
    longest = [max(LENGTHS[row] for row in order[start : start + 8]) for start in range(0, 400, 8)]
    assert longest != sorted(longest, reverse=True)


def test_fewer_rows_than_a_batch():
    assert sorted(ByLength([5, 3, 9], batch=8, seed=0, epoch=lambda: 0)) == [0, 1, 2]
