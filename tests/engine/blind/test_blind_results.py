"""What a session found: prompts are the sample, and a vote says what its feedback says now."""

import pytest

from engine.blind import results
from engine.blind.figures import figures
from engine.blind.voting import next_item, vote
from engine.feedback import store
from engine.feedback.withdrawn import withdraw
from engine.statistics import win_rate
from tests.engine.blind.helpers import make_adapter, make_session, vote_for


def test_wins_losses_and_ties_of_one_person(blind):
    assert results.result(blind.id) is None and results.votes_by(blind.id) == {}
    for side in ("new", "new", "new", "old"):
        vote_for(blind.id, "Ann", side)
    for choice in ("tie", "both_bad"):
        item = next_item(blind.id, "Ann")
        assert item and vote(blind.id, item.id, "Ann", choice)
    rate = results.result(blind.id)
    assert rate == win_rate([1, 1, 1, 0, 0.5, 0.5]) and rate and (rate.wins, rate.ties, rate.losses) == (3, 2, 1)
    assert results.votes_by(blind.id) == {"Ann": 6}


def test_three_people_on_the_same_prompts_make_the_figure_no_surer(blind):
    for _ in range(6):
        vote_for(blind.id, "Ann", "new")
    alone = results.result(blind.id)
    for name in ("Bo", "Cy"):
        for _ in range(6):
            vote_for(blind.id, name, "new")
    assert results.result(blind.id) == alone == win_rate([1] * 6)
    assert results.votes_by(blind.id) == {"Ann": 6, "Bo": 6, "Cy": 6}


def test_a_prompt_on_which_people_disagree_counts_with_the_mean(polite):
    made = make_session(1)
    for name, side in (("Ann", "new"), ("Bo", "new"), ("Cy", "old"), ("Di", "new")):
        vote_for(made.id, name, side)
    rate = results.result(made.id)
    assert rate and rate.rate == 0.75 and rate.total == rate.ties == 1


def test_a_vote_that_is_changed_or_taken_back_later_counts_as_it_is_now(polite):
    made = make_session(1)
    vote_for(made.id, "Ann", "new")
    (row,) = store.find()
    store.update(row.id, winner="b")
    rate = results.result(made.id)
    assert rate and rate.losses == 1
    store.update(row.id, winner=None)
    assert results.result(made.id) is None


def test_votes_of_a_person_who_is_withdrawn_do_not_count(blind):
    vote_for(blind.id, "Ann", "new")
    for _ in range(2):
        vote_for(blind.id, "Bo", "old")
    withdraw("Bo")
    assert results.result(blind.id) == win_rate([1]) and results.votes_by(blind.id) == {"Ann": 1}


def test_the_figures_of_an_adapter_are_those_of_its_weights(blind, polite):
    assert figures(polite).reward is None and figures(polite).human is None and not figures(polite).better
    for name in ("Ann", "Bo"):
        for _ in range(6):
            vote_for(blind.id, name, "new")
    make_session(3)  # a newer one without a vote
    human = figures(polite).human
    assert human and human.better and (human.votes, human.people, human.against) == (12, 2, None)
    assert figures(polite.model_copy(update={"path": make_adapter("other", value=5.0).path})).human is None


REWARD = {"against": "older", "reward": "judge", "win_rate": win_rate([1, 1, 1, 0]).__dict__}


@pytest.mark.parametrize(
    ("metric", "rate"),
    [(REWARD, 0.75), ({**REWARD, "win_rate": None}, None), ("x", None), ({"win_rate": {"rate": "<b>"}}, None)],
)
def test_the_rewards_figure_is_read_from_the_card_if_it_is_one(studio_home, metric, rate):
    found = figures(make_adapter("polite", metrics={"win_rate": metric})).reward
    assert (found.win_rate.rate if found else None) == rate
    assert not found or (found.against, found.judge, found.better) == ("older", "judge", False)
