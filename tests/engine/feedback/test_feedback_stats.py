"""Counts, and agreement checked against published figures."""

from datetime import UTC, datetime

import pytest

from engine.feedback.schema import Feedback
from engine.feedback.stats import agreement, summarise


def row(annotator: str, reply: str, day: int = 1, **values) -> Feedback:
    """A rating of one reply on a day of November 2026."""
    moment = datetime(2026, 11, day, 23, 59, tzinfo=UTC)
    prompt = [{"role": "user", "content": "?"}]
    return Feedback(
        **{"created": moment, "updated": moment, "annotator": annotator, "prompt": prompt, "reply": reply, "model": "m"}
        | values
    )


# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), sections B and C/E; a dot is a missing value
BINARY = {"Jon": "0 1 0 0 0 0 0 0 1 0", "Han": "1 1 1 0 0 1 0 0 0 0"}
FOUR_PEOPLE = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}


def read(table: dict[str, str], judge) -> list[Feedback]:
    """One rating for each value of a table."""
    cells = [(who, unit, value) for who, line in table.items() for unit, value in enumerate(line.split())]
    return [row(who, f"reply {unit}", **judge(value)) for who, unit, value in cells if value != "."]


def test_alpha_of_verdicts_is_the_published_one():
    found = agreement(read(BINARY, lambda value: {"verdict": "good" if value == "1" else "bad"}), "verdict")
    assert found.alpha == pytest.approx(0.095, abs=0.0005)
    assert (found.replies, found.annotators) == (10, 2)


def test_alpha_of_ratings_with_missing_values_is_the_published_one():
    found = agreement(read(FOUR_PEOPLE, lambda value: {"rating": int(value)}), "rating")
    assert found.alpha == pytest.approx(0.849, abs=0.0005)
    assert (found.replies, found.annotators) == (11, 4)  # B's 3 for the last unit has nothing to be compared with


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("ann", "x", verdict="good")],
        [row("ann", "x", verdict="good"), row("bob", "y", verdict="bad")],
        [row("ann", "x", verdict="good"), row("bob", "x", rating=1)],
        [row("ann", "x", verdict="good"), row("ann", "x", verdict="bad")],
        [row("ann", "x", verdict="good"), row("bob", "x", prompt=[{"role": "user", "content": "!"}], verdict="bad")],
    ],
)
def test_alpha_is_undefined_without_shared_replies(rows):
    found = agreement(rows, "verdict")
    assert (found.alpha, found.replies, found.annotators) == (None, 0, 0)


def test_alpha_is_undefined_where_everybody_always_says_the_same():
    found = agreement([row("ann", "x", verdict="good"), row("bob", "x", verdict="good")], "verdict")
    assert (found.alpha, found.replies, found.annotators) == (None, 1, 2)


def test_the_last_word_of_a_person_counts():
    rows = [
        row("ann", "x", 2, rating=5),
        row("ann", "x", 1, rating=1),
        row("bob", "x", rating=5),
        row("ann", "y", rating=1),
        row("bob", "y", rating=1),
    ]
    assert agreement(rows, "rating").alpha == 1


def test_summary():
    compared = {"kind": "comparison", "reply_b": "y", "left_side": "a", "winner": "a", "adapter": "sea"}
    rows = [
        row("bob", "x", 2, verdict="bad", adapter="sea"),
        row("ann", "x", 1, verdict="good"),
        row("ann", "y", 2, verdict="good", adapter="sea"),
        row("ann", "x", 2, rating=3),
        row("ann", "x", 2, **compared),
    ]
    summary = summarise(rows)
    assert (summary.total.rows, summary.total.good, summary.total.bad) == (5, 2, 1)
    assert summary.total.good_share == pytest.approx(2 / 3)
    assert summary.kinds == {"rating": 4, "comparison": 1}
    assert {day: tally.rows for day, tally in summary.days.items()} == {"2026-11-01": 1, "2026-11-02": 4}
    assert list(summary.days) == sorted(summary.days)
    assert {name: tally.rows for name, tally in summary.annotators.items()} == {"ann": 4, "bob": 1}
    assert {name: (tally.rows, tally.good) for name, tally in summary.adapters.items()} == {"": (3, 1), "sea": (3, 1)}
    assert summary.annotators["bob"].good_share == 0
    assert summarise([]).total.good_share is None
