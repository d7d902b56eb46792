"""Killed at any moment, saves included, and resumed: the run ends with the very weights of one that was left alone."""

import random
import time

import pytest

from engine.runs import Run, open_run
from engine.training.checkpoints import is_complete, newest_complete, step_of
from tests.conftest import PROVE
from tests.engine.training.helpers import kill, losses, train, until, weights

SAVES_ALL_THE_TIME = ["--max-steps", 120, "--save-steps", 1]


@pytest.mark.long
def test_random_kills(studio, tiny, sample_dataset, proof):
    _, whole, _ = train(studio, sample_dataset, "whole", tiny, *SAVES_ALL_THE_TIME, "--wait")
    undisturbed = losses(open_run(whole["run"]))
    chance = random.Random(7)
    kills = equal = half_written = 0
    for round_ in range(50 if PROVE else 2):
        name = f"killed-{round_}"
        _, document, _ = train(studio, sample_dataset, name, tiny, *SAVES_ALL_THE_TIME)
        run = open_run(document["run"])
        if not _kill_after(run, chance.uniform(0, 2.5)):  # it was faster
            continue
        kills += 1
        half_written += any(not is_complete(path) for path in run.checkpoints.glob("checkpoint-*"))
        code, _, errors = studio("runs", "resume", run.id, "--wait", "--json")
        assert code == 0, errors
        assert losses(run) == undisturbed
        equal += weights(name) == weights("whole")
    assert kills > 0 and equal == kills
    proof("4.4-random-kills", kills=kills, bit_equal=equal, killed_while_saving=half_written)


def _kill_after(run: Run, seconds: float) -> bool:
    """Kill a run's process some time after its first step; false if the run ended before."""
    until(lambda: run.status().step >= 1)
    time.sleep(seconds)
    kill(run)
    return run.status().state == "lost"


def test_a_truncated_checkpoint_is_passed_over_and_said_so(studio, tiny, sample_dataset):
    _, whole, _ = train(studio, sample_dataset, "whole", tiny, "--max-steps", 40, "--save-steps", 4, "--wait")
    _, document, _ = train(studio, sample_dataset, "cut", tiny, "--max-steps", 40, "--save-steps", 4)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 13)
    kill(run)
    assert run.status().state == "lost"
    newest = newest_complete(run.checkpoints)
    assert newest
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate(100)
    older = newest_complete(run.checkpoints)
    assert older and step_of(older) < step_of(newest)
    code, words, errors = studio("runs", "resume", run.id, "--wait")
    assert code == 0, errors
    assert f"step {step_of(newest)} is not whole" in words and f"from step {step_of(older)}" in words
    resumed = next(event for event in run.events() if event.get("event") == "resumed")
    assert resumed["step"] == step_of(older) and step_of(newest) in resumed["passed_over"]
    assert losses(run) == losses(open_run(whole["run"]))


def test_what_cannot_be_changed_in_the_middle_is_refused(studio, tiny, sample_dataset):
    _, document, _ = train(studio, sample_dataset, "x", tiny, "--max-steps", 4000)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 2)
    assert studio("runs", "stop", run.id)[0] == 0
    code, _, errors = studio("runs", "resume", run.id, "--set", "learning_rate=0.1")
    assert code == 2 and "learning_rate cannot be changed" in errors
    code, _, errors = studio("runs", "resume", run.id, "--set", "max_steps=1")
    assert code == 2 and "max_steps must be more than" in errors
    step = run.status().step
    code, document, errors = studio("runs", "resume", run.id, "--set", f"max_steps={step + 3}", "--wait", "--json")
    assert code == 0, errors
    assert document["step"] == step + 3
    changed = next(event for event in run.events() if event.get("event") == "changed")
    assert changed["values"]["max_steps"] == [4000, step + 3]
