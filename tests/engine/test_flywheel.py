"""The loop over time, from what is really on disk and in the database."""

import json
from datetime import UTC, date, datetime

from engine.data import registry
from engine.data.records import Message, Preference
from engine.feedback import store
from engine.feedback.schema import Feedback
from engine.files import read_json, write_json
from engine.flywheel import Day, Rate, flywheel
from engine.runs import create_run
from engine.settings import settings
from engine.statistics import win_rate
from tests.engine.blind.helpers import make_adapter, make_session, make_win_rate_run, vote_for


def _at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def _judge(day: int, hour: int) -> None:
    prompt, moment = [Message(role="user", content="?")], _at(day, hour)
    store.restore(
        [Feedback(created=moment, annotator="Ann", prompt=prompt, reply=f"{day} {hour}", model="m", verdict="good")]
    )


def _pair(number: int) -> Preference:
    better, worse = (Message(role="assistant", content=words) for words in "ab")
    return Preference(prompt=[Message(role="user", content=f"{number}")], chosen=[better], rejected=[worse])


def _date_version(name: str, version: int, day: int) -> None:
    """Say that a version was made on another day."""
    folder = settings().datasets / name
    for file in (folder / "card.json", folder / "versions" / f"{version}.json"):
        card = read_json(file)
        if card["version"] == version:
            write_json(file, {**card, "changed": _at(day).timestamp()})


def test_nothing_yet():
    assert flywheel().days == [] and flywheel().rates == []


def test_each_count_grows_on_the_day_it_happened():
    for day, hour in ((2, 0), (2, 23), (4, 1)):
        _judge(day, hour)
    registry.create("pairs", [_pair(1), _pair(2)], [{"feedback": True}])
    _date_version("pairs", 1, day=3)
    registry.append("pairs", [_pair(3)])
    _date_version("pairs", 2, day=5)
    for kind, state in (("dpo", "finished"), ("sft", "failed"), ("clean", "finished")):
        create_run(kind, {}, "x").update(state=state, ended=_at(4).timestamp())
    assert flywheel().days == [
        Day(date(2026, 11, 2), feedback=2, pairs=0, runs=0),
        Day(date(2026, 11, 3), feedback=2, pairs=2, runs=0),
        Day(date(2026, 11, 4), feedback=3, pairs=2, runs=1),
        Day(date(2026, 11, 5), feedback=3, pairs=3, runs=1),
    ]


def test_win_rates_of_people_and_of_the_reward():
    make_adapter("polite")
    made = make_session(4)
    make_session(2)  # nobody voted
    for side in ("new", "new", "new", "old"):
        vote_for(made.id, "Ann", side)
    rate = win_rate([1, 1, 0])
    run = make_win_rate_run(win_rate=rate.__dict__ if rate else None)
    run.update(ended=_at(3).timestamp())
    make_win_rate_run(win_rate=None)
    make_win_rate_run(win_rate=json.loads('{"rate": "x"}'))
    reward, people = flywheel().rates
    assert reward == Rate(date(2026, 11, 3), "polite", "reward", 2 / 3, rate.low, rate.high, 3) if rate else False
    assert (people.judge, people.adapter, people.rate, people.n) == ("people", "polite", 0.75, 4)
    assert people.day == made.created.date()
