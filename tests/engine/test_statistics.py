"""Shares with their uncertainty, against known values and against what they are for."""

import random

import pytest

from engine.statistics import length_controlled, wilson, win_rate


def test_wilson_gives_the_published_interval():
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_tie_counts_half():
    rate = win_rate([1, 1, 0.5, 0])
    assert rate is not None
    assert (rate.wins, rate.ties, rate.losses, rate.rate) == (2, 1, 1, 0.625)
    assert rate.low < rate.rate < rate.high
    assert win_rate([]) is None


def test_wins_that_come_of_length_alone_are_taken_out():
    draw = random.Random(0)
    longer = [draw.choice([-100, 100, 120]) for _ in range(400)]
    by_length = [float(draw.random() < (0.8 if each > 0 else 0.2)) for each in longer]
    fair = [float(draw.random() < 0.7) for _ in longer]
    assert sum(by_length) / len(by_length) > 0.57
    assert length_controlled(by_length, longer) == pytest.approx(0.5, abs=0.15)
    assert length_controlled(fair, longer) == pytest.approx(0.7, abs=0.08)


def test_replies_of_equal_length_need_no_control():
    assert length_controlled([1, 1, 1, 0], [0, 0, 0, 0]) == pytest.approx(0.75, abs=0.03)
