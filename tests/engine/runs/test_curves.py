"""Curves are what the events say: voided steps gone, extremes kept, cut lines and numbers that are none passed over."""

import json
import math
import random

import numpy as np
import pytest

from engine.runs import create_run
from engine.runs.curves import moving_mean, read_curves, thinned


@pytest.fixture
def run():
    return create_run("sft", {}, "python -m engine train sft", adapter="a")


def _write(run, *events, end="\n"):
    with (run.path / "events.jsonl").open("a") as file:
        file.write("\n".join(json.dumps(event) for event in events) + end)


def test_a_run_without_events_has_empty_curves(run):
    assert read_curves(run).points["loss"] == []
    (run.path / "events.jsonl").touch()
    assert read_curves(run).points["loss"] == []


@pytest.mark.parametrize("damage", ["", '{"step": 3, "lo\n', '{"step": 9, "loss": "high"}\n', '["step"]\n'])
def test_it_reads_what_the_events_say_whatever_lies_between(run, damage):
    _write(run, {"time": 1.5, "step": 1, "loss": 2, "grad_norm": None}, {"step": 1, "eval_loss": 2.5})
    with (run.path / "events.jsonl").open("a") as file:
        file.write(damage)
    _write(run, {"step": 2, "loss": 1.5, "grad_norm": 0.5, "extra": {"a": [1]}}, {"event": "samples", "step": 2})
    curves = read_curves(run)
    assert curves.points["loss"] == [(1, 2.0), (2, 1.5)]
    assert curves.points["eval_loss"] == [(1, 2.5)]
    assert curves.points["grad_norm"] == [(2, 0.5)]
    assert curves.last("loss") == 1.5 and curves.last("memory") is None


def test_a_half_written_last_line_waits_for_the_next_look(run):
    _write(run, {"step": 1, "loss": 1.0}, {"step": 2, "loss": 7.0}, end="")
    assert read_curves(run).points["loss"] == [(1, 1.0)]
    _write(run, end="\n")
    assert read_curves(run).points["loss"] == [(1, 1.0), (2, 7.0)]


@pytest.mark.parametrize("damage", ["", "{cut\n"])
def test_resumes_make_the_same_steps_void_as_in_the_list_of_events(run, damage):
    chance = random.Random(5)
    with (run.path / "events.jsonl").open("w") as file:
        file.write(damage)
    step = 0
    for _ in range(12):
        for _ in range(chance.randint(3, 9)):
            step += 1
            _write(run, {"step": step, "loss": chance.random()})
        step = chance.randint(0, step)
        _write(run, {"event": "resumed", "step": step})
    told = [(event["step"], event["loss"]) for event in run.events() if "loss" in event]
    assert read_curves(run).points["loss"] == told


def test_the_first_loss_that_is_no_number_is_named_and_not_drawn(run):
    _write(run, *({"step": n, "loss": n if n < 4 else math.nan} for n in range(1, 7)))
    curves = read_curves(run)
    assert curves.not_a_number == 4
    assert curves.points["loss"] == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_a_loss_made_void_by_a_resume_warns_of_nothing(run):
    _write(run, {"step": 1, "loss": 1.0}, {"step": 2, "loss": math.inf}, {"event": "resumed", "step": 1})
    assert read_curves(run).not_a_number is None


@pytest.mark.parametrize("damage", ["", "{cut\n"])
def test_memory_of_each_process_is_a_curve(run, damage):
    _write(run, {"step": 1, "loss": 1.0, "memory_by_rank": [10, 20]}, {"step": 2, "loss": 1.0})
    with (run.path / "events.jsonl").open("a") as file:
        file.write(damage)
    _write(run, {"step": 3, "loss": 1.0, "memory_by_rank": [30, 40]})
    assert read_curves(run).memory_by_rank == [[(1, 10.0), (3, 30.0)], [(1, 20.0), (3, 40.0)]]


@pytest.mark.parametrize("most", [4, 10, 101])
def test_thinning_keeps_first_last_and_extremes(most):
    values = np.random.default_rng(0).normal(size=5000)
    values[1234], values[4321] = 50.0, -50.0
    places = thinned(values, most)
    assert len(places) <= most and list(places) == sorted({*places})
    assert places[0] == 0 and places[-1] == 4999
    assert {1234, 4321} <= {*places}


def test_a_long_run_keeps_its_spikes(run):
    _write(run, *({"step": n, "loss": 9.0 if n == 3333 else 1.0} for n in range(1, 5001)))
    points = read_curves(run, most=100).points["loss"]
    assert len(points) <= 100 and (3333, 9.0) in points and points[-1][0] == 5000


def test_smoothing_is_the_mean_of_the_last_ones_and_touches_the_loss_alone(run):
    assert moving_mean(np.array([1.0, 3.0, 5.0, 7.0]), 2).tolist() == [1.0, 2.0, 4.0, 6.0]
    _write(run, *({"step": n, "loss": n % 2, "eval_loss": n % 2} for n in range(1, 101)))
    curves = read_curves(run, smooth=0.02)
    assert {value for _, value in curves.points["loss"][1:]} == {0.5}
    assert {value for _, value in curves.points["eval_loss"]} == {0.0, 1.0}
