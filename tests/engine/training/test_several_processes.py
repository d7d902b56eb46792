"""A run with two processes stops, dies and goes on as one: nothing of it is left behind, and nothing else is touched."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from engine.jobs import local
from engine.jobs.processes import processes
from engine.runs import Run, open_run, ranks
from engine.settings import ROOT
from engine.training.checkpoints import newest_complete, step_of
from tests.engine.training.helpers import losses, train, until

TWO = ["--nproc", 2, "--launcher", "torchrun", "--max-steps", 4000, "--save-steps", 5]


def _processes_of(run: Run) -> list[psutil.Process]:
    """By the run's id in their command lines, which the code under test never looks at."""
    found = []
    for process in psutil.process_iter():
        try:
            if run.id in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def running(studio, tiny, sample_dataset):
    """A run of two processes at its sixth step or beyond."""
    _, document, _ = train(studio, sample_dataset, "two", tiny, *TWO)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 6 or run.status().state == "failed")
    assert run.status().state == "running", run.log_tail() + run.status().model_dump_json()
    yield run
    for process in processes(run):
        process.kill()


def test_stop_reaches_both(running, studio):
    assert len(_processes_of(running)) == 4  # the leader, torchrun and two ranks
    code, document, errors = studio("runs", "stop", running.id, "--json")
    assert code == 0, errors
    assert (document["status"], document["message"]) == ("stopped", None)
    checkpoint = newest_complete(running.checkpoints)
    assert checkpoint and step_of(checkpoint) == document["step"]
    until(lambda: not _processes_of(running), 20)


def test_a_run_that_does_not_listen_is_ended_and_no_stranger_is(running, studio, monkeypatch):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "engine", "rank", "other"])
    for rank in ranks.list_ranks(running):
        os.kill(rank.process[0], signal.SIGSTOP)  # hangs, as in a collective that never ends
    code, document, errors = studio("runs", "stop", running.id, "--json", STUDIO_STOP_GRACE_SECONDS="2")
    assert code == 0, errors
    assert document["status"] == "stopped" and "ended" in document["message"]
    until(lambda: not _processes_of(running), 20)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    checkpoint = newest_complete(running.checkpoints)
    assert checkpoint
    code, resumed, errors = studio(
        "runs", "resume", running.id, "--set", f"max_steps={step_of(checkpoint) + 2}", "--wait", "--json"
    )
    assert code == 0, errors
    assert resumed["step"] == step_of(checkpoint) + 2


@pytest.mark.parametrize("number", [0, 1])
def test_a_killed_rank_fails_the_run_with_its_reason(running, number):
    os.kill(ranks.list_ranks(running)[number].process[0], signal.SIGKILL)
    until(lambda: running.status().state not in ("running", "stopping"), 60)
    status = running.status()
    assert status.state == "failed" and f"Process {number} of the run was killed" in (status.reason or "")
    until(lambda: not _processes_of(running), 20)


def test_a_killed_leader_takes_its_ranks_along(running, studio):
    process = running.status().process
    os.kill(process[0], signal.SIGKILL)
    until(lambda: running.status().state == "lost", 20)
    until(lambda: not _processes_of(running), 20)
    until(lambda: not ranks.any_left(running), 5)  # a process that ends gives its memory back before its files


def test_a_killed_studio_does_not_touch_the_run(tiny, sample_dataset, studio_home):
    code = (
        "from engine.jobs.local import start_training; from engine.training.specs import parse_spec; import time;"
        f"run = start_training(parse_spec(dict(dataset='zorvex', adapter='two', model='{tiny}', nproc=2, launcher='torchrun',"
        " max_steps=30, batch_size=2, rank=4, samples=0))); print(run.id, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout
        run = open_run(page.stdout.readline().strip())
        until(lambda: run.status().step >= 2)
        page.kill()
    until(lambda: run.status().state not in ("running", "queued"))
    assert run.status().state == "finished" and list(losses(run)) == list(range(1, 31))


def test_resumed_two_processes_equal_undisturbed_ones(studio, tiny, sample_dataset):
    short = ["--nproc", 2, "--launcher", "torchrun", "--max-steps", 24, "--save-steps", 4]
    _, whole, _ = train(studio, sample_dataset, "whole", tiny, *short, "--wait")
    _, document, _ = train(studio, sample_dataset, "halved", tiny, *short)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 9)
    local.stop(run)
    code, _, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert losses(run) == losses(open_run(whole["run"]))
