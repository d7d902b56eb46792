"""The loop as numbers over time: judgements, the pairs made of them, trainings, and whether people liked what came of it.

Only reads what others wrote. Days are UTC.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from engine.blind import results
from engine.blind.sessions import all_sessions
from engine.data import registry
from engine.database import session
from engine.feedback.schema import FeedbackRow
from engine.jobs.recipes import TRAININGS
from engine.runs import Run, list_runs
from engine.statistics import WinRate


@dataclass(frozen=True)
class Day:
    """How much there was at the end of a day."""

    day: date
    feedback: int
    """Rows, of all kinds."""
    pairs: int
    """In datasets of preferences, each counted in the version it had that day."""
    runs: int
    """Trainings that finished."""


@dataclass(frozen=True)
class Rate:
    """How often a new adapter won."""

    day: date
    """When the comparison was made."""
    adapter: str
    judge: Literal["people", "reward"]
    rate: float
    low: float
    high: float
    n: int
    """Prompts."""


@dataclass(frozen=True)
class Flywheel:
    """Everything, in order of time; only days on which something happened."""

    days: list[Day]
    rates: list[Rate]


def flywheel() -> Flywheel:
    """Gather it."""
    runs = [run for run in list_runs() if run.kind in {*TRAININGS, "winrate"} and run.status().state == "finished"]
    new = {"feedback": _feedback(), "pairs": _pairs(), "runs": _trainings(runs)}
    total = dict.fromkeys(new, 0)
    days = []
    for day in sorted(set().union(*new.values())):
        total = {name: total[name] + counts[day] for name, counts in new.items()}
        days.append(Day(day, **total))
    rates = sorted([*_by_people(), *_by_reward(runs)], key=lambda rate: rate.day)
    return Flywheel(days, rates)


def _feedback() -> Counter[date]:
    with session() as db:
        moments = db.scalars(select(FeedbackRow.created).execution_options(yield_per=10_000))
        return Counter(moment.astimezone(UTC).date() for moment in moments)


def _pairs() -> Counter[date]:
    """By how much the number of pairs rose (or fell) on each day."""
    change: Counter[date] = Counter()
    for card in registry.list_datasets():
        if card.kind != "preference":
            continue
        rows = 0
        for version in reversed(registry.versions(card.name)):
            change[_day(version.changed or version.created)] += version.rows - rows
            rows = version.rows
    return change


def _trainings(runs: list[Run]) -> Counter[date]:
    return Counter(_day(run.status().ended or run.status().created) for run in runs if run.kind in TRAININGS)


def _by_people() -> Iterator[Rate]:
    for each in all_sessions():
        if rate := results.result(each.id):
            yield _rate(each.created.astimezone(UTC).date(), each.adapter, "people", rate)


def _by_reward(runs: list[Run]) -> Iterator[Rate]:
    for run in runs:
        if run.kind != "winrate":
            continue
        status = run.status()
        try:
            rate = TypeAdapter(WinRate | None).validate_python(status.result.get("win_rate"))
        except ValidationError:  # a damaged run directory has no figure
            continue
        if rate:
            yield _rate(_day(status.ended or status.created), str(status.result.get("adapter")), "reward", rate)


def _rate(day: date, adapter: str, judge: Literal["people", "reward"], rate: WinRate) -> Rate:
    return Rate(day, adapter, judge, rate.rate, rate.low, rate.high, rate.total)


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
