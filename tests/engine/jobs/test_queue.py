"""Two trainings at once, others wait; their order can be changed; nothing of the queue is held in memory."""

import json

import pytest

from engine.errors import BadInput
from engine.jobs import local, queue
from engine.runs import open_run
from tests.engine.training.helpers import end_all, kill, start, until


@pytest.fixture(autouse=True)
def _none_left():
    yield
    end_all()


def test_two_at_once_and_the_order_asked_for(tiny, sample_dataset):
    two = {"nproc": 2, "launcher": "torchrun"}
    first, second = start(tiny, "first", **two), start(tiny, "second", **two)
    third, fourth, fifth = (start(tiny, name, steps=2) for name in ("third", "fourth", "fifth"))
    until(lambda: first.status().step >= 1 and second.status().step >= 1)
    ports = {json.loads((run.path / "launch.json").read_text())["port"] for run in (first, second)}
    assert len(ports) == 2
    assert [run.status().state for run in (third, fourth, fifth)] == ["queued"] * 3
    assert queue.waiting() == [third, fourth, fifth]
    queue.move(fifth, 0)
    assert queue.waiting() == [fifth, third, fourth]
    local.stop(first)  # one leaves, and its end lets the next begin, one after the other
    until(lambda: all(run.status().state == "finished" for run in (third, fourth, fifth)))
    started = {run.id: run.status().started or 0 for run in (third, fourth, fifth)}
    assert sorted(started, key=lambda name: started[name]) == [fifth.id, third.id, fourth.id]
    assert second.status().state == "running"


def test_leaving_the_queue_and_coming_back(tiny, sample_dataset, monkeypatch):
    monkeypatch.setenv("STUDIO_CPU_RUNS", "1")
    from engine.settings import settings

    settings.cache_clear()
    first, second = start(tiny, "first"), start(tiny, "second", steps=2)
    until(lambda: first.status().step >= 1)
    local.stop(second)
    assert second.status().state == "stopped" and queue.waiting() == []
    local.resume(second)
    assert queue.waiting() == [second]
    with pytest.raises(BadInput, match="does not wait"):
        queue.move(first, 0)
    local.stop(first)
    until(lambda: second.status().state == "finished")


def test_a_waiting_run_outlives_everything(tiny, sample_dataset, studio):
    runs = [start(tiny, name) for name in ("first", "second")]
    third = start(tiny, "third", steps=2)
    until(lambda: all(run.status().step >= 1 for run in runs))
    for run in runs:  # their ends do not advance the queue
        kill(run)
    assert [run.status().state for run in runs] == ["lost", "lost"]
    assert open_run(third.id).status().state == "queued"
    code, _, errors = studio("runs", "list", "--json")
    assert code == 0, errors
    until(lambda: third.status().state == "finished")
