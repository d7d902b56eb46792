"""Who comes in next: people before work in the background, neither for ever, and never more than there is room for."""

from types import SimpleNamespace
from typing import Any

from engine.models.request import Sampling
from engine.models.schedule import PATIENCE, Job, Schedule


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _job(name: str, priority: Any = "interactive", tokens: int = 10, arrived: float = 1000.0) -> Job:
    job = Job(name, Sampling(), None, priority, arrived=arrived)
    job.generation = SimpleNamespace(prompt_tokens=tokens, limit=0)  # pyright: ignore[reportAttributeAccessIssue]
    return job


def _let_in(schedule: Schedule, running: list[Job], may_begin=lambda job: True) -> list[str]:
    names = []
    while job := schedule.next(running, may_begin):
        running.append(job)
        names.append(job.messages)
    return names


def _schedule(*jobs: Job, **options: Any) -> Schedule:
    schedule = Schedule(**{"rows": 4, "tokens": None, "clock": Clock(), **options})
    for job in jobs:
        schedule.add(job)
    return schedule


def test_people_overtake_work_in_the_background():
    schedule = _schedule(_job("b1", "batch"), _job("b2", "batch"), _job("p1"), _job("p2"))
    assert _let_in(schedule, []) == ["p1", "p2", "b1", "b2"]


def test_a_row_is_kept_for_people():
    schedule = _schedule(*[_job(f"b{n}", "batch") for n in range(6)])
    running: list[Job] = []
    assert _let_in(schedule, running) == ["b0", "b1", "b2", "b3"]
    schedule.add(_job("p"))
    assert _let_in(schedule, running) == ["p"]


def test_work_in_the_background_is_not_starved():
    schedule = _schedule(*[_job(f"p{n}") for n in range(20)], _job("b", "batch"), _job("b2", "batch"))
    running: list[Job] = []
    _let_in(schedule, running)
    schedule.clock.now += PATIENCE + 1  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
    running.pop()
    assert _let_in(schedule, running) == ["b"]
    running.pop(0)
    assert _let_in(schedule, running) == ["p5"], "one at a time, or people would wait for all of them"


def test_who_needs_more_memory_waits_and_is_not_overtaken():
    schedule = _schedule(_job("small", tokens=20), _job("large", tokens=60), _job("small 2", tokens=20), tokens=100)
    running: list[Job] = []
    assert _let_in(schedule, running) == ["small"], "two rows of 60 are more than 100"
    running.clear()
    assert _let_in(schedule, running) == ["large"]


def test_a_job_without_room_for_its_adapter_is_passed_over():
    schedule = _schedule(_job("full"), _job("free"))
    assert _let_in(schedule, [], lambda job: job.messages != "full") == ["free"]
    assert schedule.waiting == 1


def test_all_rows_at_once_are_of_like_length_and_wait_for_the_last():
    jobs = [_job(f"b{tokens}", "batch", tokens) for tokens in (50, 10, 40, 20, 30, 60)]
    schedule = _schedule(*jobs, continuous=False)
    running: list[Job] = []
    assert _let_in(schedule, running) == ["b10", "b20", "b30", "b40"]
    running.pop()
    assert _let_in(schedule, running) == []
    schedule.add(_job("p"))
    assert _let_in(schedule, running) == ["p"], "people do not wait for that"
    running.clear()
    assert _let_in(schedule, running) == ["b50", "b60"]
