"""Keeping, changing and finding judgements."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from engine.database import writing
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.schema import Feedback, FeedbackRow, Reply, columns
from engine.feedback.store import FeedbackFilter

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a whale?"}]
WHALE = Reply("A mammal.", "starter", "sea", "f00d", {"seed": 7, "temperature": 0.5})
FISH = Reply("A fish.", "starter")


def compare(annotator: str = "ann", **values: Any) -> Feedback:
    """A comparison of two replies."""
    values = {"winner": "a", "left_side": "b", **values}
    return store.add("comparison", annotator, PROMPT, WHALE, FISH, **values)


def test_everything_said_is_read_back():
    row = compare(tags=["facts"], comment="Clear.", conversation_id=3, message_id=4)
    assert store.get(row.id) == row
    assert (row.reply, row.model, row.adapter, row.adapter_fingerprint) == ("A mammal.", "starter", "sea", "f00d")
    assert row.sampling == {"seed": 7, "temperature": 0.5}
    assert (row.reply_b, row.model_b, row.adapter_b, row.winner, row.left_side) == (
        "A fish.",
        "starter",
        None,
        "a",
        "b",
    )
    assert [turn.model_dump() for turn in row.prompt] == PROMPT
    assert row.created.tzinfo is not None


def test_thumb_stars_and_correction_share_a_row():
    first = store.rate("ann", PROMPT, WHALE, message_id=1, verdict="bad")
    store.rate("ann", PROMPT, WHALE, message_id=1, rating=2)
    last = store.rate("ann", PROMPT, WHALE, message_id=1, correction="A sea mammal.")
    assert store.count() == 1
    assert (last.id, last.verdict, last.rating, last.correction) == (first.id, "bad", 2, "A sea mammal.")
    assert last.created == first.created and last.updated > first.updated


def test_a_word_can_be_taken_back():
    store.rate("ann", PROMPT, WHALE, message_id=1, verdict="bad", rating=1)
    assert store.rate("ann", PROMPT, WHALE, message_id=1, verdict=None).verdict is None
    assert store.find()[0].rating == 1


def test_people_and_messages_have_rows_of_their_own():
    for annotator, message_id in (("ann", 1), ("ann", 2), ("bob", 1), ("ann", None), ("ann", None)):
        store.rate(annotator, PROMPT, WHALE, message_id=message_id, verdict="good")
    store.add("kept", "ann", PROMPT, WHALE, FISH, message_id=1)
    store.add("kept", "ann", PROMPT, WHALE, FISH, message_id=1)
    assert store.count() == 7


def test_another_text_under_the_same_number_does_not_overwrite():
    old = store.rate("ann", PROMPT, FISH, message_id=1, verdict="bad")
    new = store.rate("ann", PROMPT, WHALE, message_id=1, verdict="good")
    assert new.id != old.id
    assert (store.get(old.id).verdict, store.get(old.id).message_id) == ("bad", None)


def test_the_database_itself_refuses_a_second_rating():
    row = columns(store.rate("ann", PROMPT, WHALE, message_id=1, verdict="good"))
    with pytest.raises(IntegrityError), writing() as db:
        db.add(FeedbackRow(**row))


def test_twenty_threads_rating_one_message_share_a_row():
    words = [{"verdict": "good"}, {"rating": 4}, {"correction": "A sea mammal."}, {"comment": "Fine."}, {"tags": ["x"]}]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: store.rate("ann", PROMPT, WHALE, message_id=1, **words[n % 5]), range(100)))
    (row,) = store.find()
    assert (row.verdict, row.rating, row.correction) == ("good", 4, "A sea mammal.")
    assert (row.comment, row.tags) == ("Fine.", ["x"])


@pytest.mark.parametrize(
    ("judgement", "sentence"),
    [
        ({"rating": 0}, "from 1 to 5"),
        ({"rating": 6}, "from 1 to 5"),
        ({"rating": 4.5}, "from 1 to 5"),
        ({"rating": True}, "from 1 to 5"),
        ({"verdict": "great"}, "verdict"),
        ({"stars": 3}, "stars"),
        ({"winner": "a"}, "one reply"),
        ({"comment": "\ud83d"}, "broken character"),
        ({"tags": ["\ud83d"]}, "broken character"),
        ({"message_id": -1}, "message_id"),
    ],
)
def test_a_bad_rating_is_refused_in_one_sentence(judgement, sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        store.rate("ann", PROMPT, WHALE, **judgement)
    assert "\n" not in str(caught.value)
    assert store.count() == 0


@pytest.mark.parametrize(
    ("annotator", "prompt", "reply", "sentence"),
    [
        ("", PROMPT, WHALE, "name of the person"),
        ("ann", PROMPT, Reply(" \n", "starter"), "empty"),
        ("ann", [], WHALE, "prompt"),
        ("ann", [{"role": "robot", "content": "?"}], WHALE, "prompt"),
        ("ann", "What is a whale?", WHALE, "prompt"),
    ],
)
def test_a_bad_subject_is_refused(annotator, prompt, reply, sentence):
    with pytest.raises(BadInput, match=sentence):
        store.rate(annotator, prompt, reply, verdict="good")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"winner": "c"}, "winner"), ({"left_side": None}, "left"), ({"left_side": "c"}, "left")],
)
def test_a_bad_comparison_is_refused(values, sentence):
    with pytest.raises(BadInput, match=sentence):
        compare(**values)
    with pytest.raises(BadInput, match="second"):
        store.add("comparison", "ann", PROMPT, WHALE, Reply("", "starter"), left_side="a")


def test_the_kept_reply_wins():
    row = store.add("kept", "ann", PROMPT, WHALE, FISH)
    assert row.winner == "a"
    with pytest.raises(BadInput, match="always the winner"):
        store.update(row.id, winner="b")


def test_update_and_delete():
    row = store.rate("ann", PROMPT, WHALE, verdict="good")
    changed = store.update(row.id, verdict="bad", prompt=[{"role": "user", "content": "And a shark?"}])
    assert changed == store.get(row.id)
    assert (changed.verdict, changed.question) == ("bad", "And a shark?")
    assert store.count(FeedbackFilter(text="shark")) == 1
    with pytest.raises(BadInput, match="1 to 5"):
        store.update(row.id, rating=9)
    store.delete(row.id)
    for call in (store.get, store.update, store.delete):
        with pytest.raises(BadInput, match="no feedback number"):
            call(row.id)


def test_a_number_is_never_given_out_twice():
    row = store.rate("ann", PROMPT, WHALE, verdict="good")
    store.delete(row.id)
    assert store.rate("ann", PROMPT, WHALE, verdict="good").id > row.id


@pytest.fixture
def four_rows():
    store.rate("ann", PROMPT, WHALE, message_id=1, verdict="good", comment="100% right_on")
    store.rate("bob", [{"role": "user", "content": "鲸鱼是什么？ÉTÉ"}], FISH, message_id=1, verdict="bad")
    compare("bob")
    store.add("kept", "ann", PROMPT, Reply("Big.", "other", "land"), Reply("Small.", "old", "lake"))


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, [4, 3, 2, 1]),
        ({"annotator": "ann"}, [4, 1]),
        ({"kind": "comparison"}, [3]),
        ({"verdict": "bad"}, [2]),
        ({"adapter": "sea"}, [3, 1]),
        ({"adapter": ""}, [3, 2]),
        ({"adapter": "lake"}, [4]),
        ({"model": "other"}, [4]),
        ({"model": "old"}, [4]),
        ({"text": "MAMMAL"}, [3, 1]),
        ({"text": "small"}, [4]),
        ({"text": "鲸鱼"}, [2]),
        ({"text": "été"}, [2]),
        ({"text": "user"}, []),
        ({"text": "100%"}, [1]),
        ({"text": "right_"}, [1]),
        ({"text": "0%r"}, []),
        ({"text": "a_mammal"}, []),
        ({"text": "/"}, []),
        ({"text": "x" * 60_000}, []),
        ({"limit": 2}, [4, 3]),
        ({"limit": 2, "offset": 1}, [3, 2]),
        ({"offset": 3}, [1]),
    ],
)
def test_find(four_rows, filters, ids):
    assert [row.id for row in store.find(FeedbackFilter(**filters))] == ids
    if not {"limit", "offset"} & filters.keys():
        assert store.count(FeedbackFilter(**filters)) == len(ids)


def test_a_page_of_results_does_not_change_the_count(four_rows):
    assert store.count(FeedbackFilter(limit=1, offset=2)) == 4


def test_since_and_until_in_any_time_zone():
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    row = store.rate("ann", PROMPT, WHALE, verdict="good")
    store.update(row.id, created=noon.astimezone(timezone(timedelta(hours=8))))
    hour = timedelta(hours=1)
    for moment in (noon, noon.replace(tzinfo=None), noon.astimezone(timezone(timedelta(hours=-7)))):
        assert store.count(FeedbackFilter(since=moment)) == 1
        assert store.count(FeedbackFilter(since=moment + hour)) == 0
        assert store.count(FeedbackFilter(until=moment)) == 0
        assert store.count(FeedbackFilter(until=moment + hour)) == 1


def test_importing_it_loads_nothing_heavy():
    heavy = "{'torch', 'transformers', 'nltk', 'streamlit', 'datasets'}"
    modules = "engine.feedback.store, engine.feedback.export, engine.feedback.stats, engine.commands.feedback"
    code = f"import sys, {modules}, engine.chat.conversations; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
