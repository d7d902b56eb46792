"""Blind sessions: what goes in, what a person gets to see, and that one vote is one row."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from engine.adapters.store import delete_adapter
from engine.blind import sessions
from engine.blind.schema import Replies
from engine.blind.voting import next_item, vote
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.store import FeedbackFilter
from tests.engine.blind.helpers import make_adapter, make_session, make_win_rate_run, replies, vote_for


def _seen(session_id: int, annotator: str) -> list[tuple[str, str]]:
    """Left and right of every item in this person's order, voting tie on each."""
    seen = []
    while item := next_item(session_id, annotator):
        seen.append((item.left, item.right))
        vote(session_id, item.id, annotator, "tie")
    return seen


def test_replies_that_are_equal_or_empty_are_left_out(polite):
    prompt = [{"role": "user", "content": "?"}]
    same, empty = Replies(prompt, "yes", " yes\n"), Replies(prompt, "yes", " ")
    made = sessions.create("s", "polite", None, "starter", [same, replies(1), empty], "Olga")
    assert made.items == 1 and _seen(made.id, "Ann")[0][0].endswith("1")
    with pytest.raises(BadInput, match="nothing to compare"):
        sessions.create("s", "polite", None, "starter", [same, empty], "Olga")
    assert len(sessions.open_sessions()) == 1


def test_a_session_needs_a_name_and_its_adapters(polite):
    for name in (" ", "x" * 81):
        with pytest.raises(BadInput, match="name"):
            sessions.create(name, "polite", None, "starter", [replies(1)], "Olga")
    for adapters in (("gone", None), ("polite", "gone")):
        with pytest.raises(BadInput, match="gone"):
            sessions.create("s", *adapters, "starter", [replies(1)], "Olga")


def test_an_item_that_feedback_would_refuse_is_refused_at_once(polite):
    with pytest.raises(BadInput, match="prompt"):
        sessions.create("s", "polite", None, "starter", [replies(1), Replies([], "a", "b")], "Olga")
    assert sessions.open_sessions() == []


def test_the_order_and_the_sides_are_a_persons_own_and_the_same_again(blind):
    first = next_item(blind.id, "Ann")
    assert first == next_item(blind.id, "Ann") and first and first.place == 1 and first.total == 6
    orders = {name: [(left[-1], left[:3]) for left, _ in _seen(blind.id, name)] for name in ("Ann", "Bo", "Cy", "Di")}
    assert len({str(order) for order in orders.values()}) == 4
    for order in orders.values():
        assert sorted(number for number, _ in order) == list("012345")
        assert [side for _, side in order].count("new") == 3


def test_the_side_is_no_pattern(polite):
    made = make_session(40)
    sides = [left[:3] for left, _ in _seen(made.id, "Ann")]
    assert sides.count("new") == 20
    changes = sum(a != b for a, b in pairwise(sides))
    assert 8 < changes < 32, "neither in two blocks nor in turns"


def test_a_vote_is_one_row_of_feedback_that_knows_everything(polite):
    make_adapter("older", value=2.0)
    made = sessions.create("s", "polite", "older", "starter", [replies(4)], "Olga")
    item = next_item(made.id, "Ann")
    assert item and vote(made.id, item.id, "Ann", "left", "nicer")
    (row,) = store.find()
    left_is_new = item.left.startswith("new")
    assert (row.kind, row.annotator, row.question, row.comment) == ("comparison", "Ann", "Question 4?", "nicer")
    assert (row.reply, row.reply_b) == ("new 4", "old 4")
    assert (row.adapter, row.adapter_b, row.model, row.model_b) == ("polite", "older", "starter", "starter")
    assert row.adapter_fingerprint == polite.fingerprint != row.adapter_fingerprint_b
    assert (row.winner, row.left_side) == (("a", "a") if left_is_new else ("b", "b"))
    assert row.tags == [f"blind:{made.id}"] and row.sampling == {"temperature": 0.0, "seed": 7}


def test_the_right_is_the_other_one(blind):
    item = next_item(blind.id, "Ann")
    assert item and vote(blind.id, item.id, "Ann", "right")
    (row,) = store.find()
    assert (row.winner == "a") == item.right.startswith("new")


def test_a_double_click_makes_one_row(blind):
    item = next_item(blind.id, "Ann")
    assert item
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda choice: vote(blind.id, item.id, "Ann", choice), ["left", "right"] * 8))
    assert taken.count(True) == 1 and store.count() == 1
    after = next_item(blind.id, "Ann")
    assert after and after.id != item.id and after.place == 2


def test_nobody_votes_for_another_session_or_in_a_closed_one(blind):
    other = make_session(1)
    item = next_item(other.id, "Ann")
    assert item
    with pytest.raises(BadInput, match="no such prompt"):
        vote(blind.id, item.id, "Ann", "left")
    sessions.close(other.id)
    for refused in (lambda: vote(other.id, item.id, "Ann", "left"), lambda: next_item(other.id, "Ann")):
        with pytest.raises(BadInput, match="closed"):
            refused()
    for missing in (lambda: next_item(99, "Ann"), lambda: sessions.close(99), lambda: sessions.get(99)):
        with pytest.raises(BadInput, match="no blind comparison 99"):
            missing()
    assert store.count() == 0


def test_what_waits_for_a_person_shrinks_as_they_vote(blind):
    make_session(2)
    vote_for(blind.id, "Ann", "new")
    assert [each.left for each in sessions.waiting("Ann")] == [5, 2]
    assert [each.left for each in sessions.waiting("Bo")] == [6, 2]
    _seen(blind.id, "Ann")
    assert [each.left for each in sessions.waiting("Ann")] == [2]
    sessions.close(blind.id)
    assert [each.left for each in sessions.waiting("Bo")] == [2]


def test_a_vote_that_is_deleted_is_asked_for_again(blind):
    item = vote_for(blind.id, "Ann", "new")
    (row,) = store.find(FeedbackFilter(annotator="Ann"))
    store.delete(row.id)
    assert item and sessions.waiting("Ann")[0].left == 6
    assert vote(blind.id, item.id, "Ann", "tie")


def test_the_answers_of_a_comparison_become_a_session(polite):
    run = make_win_rate_run()
    made = sessions.from_answers(run, "Olga")
    assert (made.adapter, made.against, made.base_model, made.run, made.items) == ("polite", None, "starter", run.id, 2)
    assert "polite" not in made.name
    with pytest.raises(BadInput, match="already"):
        sessions.from_answers(run, "Olga")
    sessions.close(made.id)
    assert sessions.from_answers(run, "Olga").id != made.id


def test_only_a_finished_comparison_of_adapters_as_they_are_has_answers(polite):
    run = make_win_rate_run()
    for state in ("running", "failed", "stopped"):
        run.update(state=state)
        with pytest.raises(BadInput, match="finished"):
            sessions.from_answers(run, "Olga")
    run.update(state="finished")
    delete_adapter("polite")
    make_adapter("polite", value=3.0, created=run.status().created + 5)
    with pytest.raises(BadInput, match="anew"):
        sessions.from_answers(run, "Olga")
