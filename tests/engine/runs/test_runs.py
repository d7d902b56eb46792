"""A run's state is what is true: held lock, written ending, or lost."""

import json
import os
import signal
import subprocess
import sys

import pytest

from engine.errors import BadInput
from engine.runs import create_run, list_runs, lock, open_run
from engine.settings import ROOT

HOLD = "import sys, time; from engine.runs import lock; assert lock.acquire(sys.argv[1]); print('held', flush=True); time.sleep(60)"


@pytest.fixture
def run():
    return create_run("sft", {"dataset": "d"}, "python -m engine train sft", adapter="a")


@pytest.fixture
def holder(run):
    process = subprocess.Popen([sys.executable, "-c", HOLD, run.lock], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_run_whose_process_is_killed_is_lost(run, holder):
    run.update(state="running")
    assert run.status().state == "running"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert run.status().state == "lost"


def test_a_written_ending_counts_whatever_the_lock(run, holder):
    run.update(state="finished")
    assert run.status().state == "finished"


def test_a_run_that_was_asked_to_stop_is_stopping(run, holder):
    run.update(state="running")
    run.request_stop()
    assert run.status().state == "stopping"
    run.clear_stop()
    assert run.status().state == "running"


def test_only_one_process_holds_the_lock(run, holder):
    assert lock.acquire(run.lock, wait=0.1) is None


def test_a_resume_makes_later_events_void(run):
    for step in range(1, 6):
        run.add_event(step=step, loss=1.0)
    run.add_event(event="resumed", step=3)
    run.add_event(step=4, loss=2.0)
    assert [(e["step"], e.get("loss")) for e in run.events() if "loss" in e] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)]


def test_a_half_written_event_is_passed_over(run):
    run.add_event(step=1, loss=1.0)
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert len(run.events()) == 1


def test_one_damaged_folder_does_not_empty_the_list(run):
    damaged = run.path.parent / "20260101-000000-sft-ffff"
    damaged.mkdir()
    (run.path.parent / "notes").mkdir()
    assert [found.id for found in list_runs()] == [run.id]


@pytest.mark.parametrize("run_id", ["", "../x", "20260101-000000-sft-0000", "a/b"])
def test_unknown_ids(run_id):
    with pytest.raises(BadInput, match="There is no run"):
        open_run(run_id)


def test_estimate_of_what_is_left(run, holder):
    run.update(state="running", step=30, max_steps=110, steps_at_start=10, started=1000.0, updated=1100.0)
    assert run.status().seconds_left == pytest.approx(400.0)


def test_the_log_tail_survives_broken_bytes(run):
    run.log.write_bytes(b"\xff\xfe line\nlast")
    assert run.log_tail(1) == "last"


def test_spec_and_command_are_kept(run):
    assert json.loads((run.path / "spec.json").read_text()) == run.spec() == {"dataset": "d"}
    assert run.command() == "python -m engine train sft"
