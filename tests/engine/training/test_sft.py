"""The SFT recipe through the command line: it learns, stops, resumes, survives kill -9, and says what it did."""

import json
import random

import pytest

from engine.adapters.store import read_adapter
from engine.jobs import local
from engine.runs import open_run
from engine.training.checkpoints import is_complete, newest_complete, step_of
from tests.conftest import PROVE
from tests.engine.training.helpers import kill, losses, until

FAST = [
    "--max-steps",
    12,
    "--save-steps",
    3,
    "--batch-size",
    2,
    "--rank",
    4,
    "--learning-rate",
    0.01,
    "--eval-split",
    0.1,
]


def _train(studio, dataset, adapter, model, *more):
    return studio(
        "train", "sft", "--dataset", dataset, "--adapter", adapter, "--model", model, *FAST, *more, "--json"
    )  # fmt: skip


def test_a_run_writes_what_its_page_needs(studio, tiny, sample_dataset):
    code, document, errors = _train(studio, sample_dataset, "fact", tiny, "--eval-steps", 6, "--wait")
    assert code == 0, errors
    assert {"run", "status", "step", "max_steps", "adapter", "loss", "command"} <= set(document)
    assert (document["status"], document["step"], document["max_steps"]) == ("finished", 12, 12)
    run = open_run(document["run"])
    by_step = losses(run)
    assert list(by_step) == list(range(1, 13))
    assert by_step[12] == document["loss"] < by_step[1]
    event = next(event for event in run.events() if event.get("step") == 5)
    assert event["learning_rate"] > 0 and event["tokens_per_second"] > 0 and event["memory"] > 2**20
    assert [event["step"] for event in run.events() if "eval_loss" in event][:2] == [6, 12]
    assert run.spec()["rank"] == 4

    adapter = read_adapter("fact", kind="chat")
    assert (adapter.rank, adapter.card.base_model, adapter.card.method) == (4, tiny, "sft")
    assert (adapter.card.run, adapter.card.dataset) == (run.id, sample_dataset)
    assert adapter.card.metrics["eval_loss"] > 0
    config = json.loads((adapter.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny


def test_the_command_it_shows_starts_the_same_run(studio, tiny, sample_dataset):
    import shlex

    _, first, _ = _train(studio, sample_dataset, "one", tiny, "--wait")
    words = shlex.split(first["command"].replace("--adapter one", "--adapter two"))
    assert words[:3] == ["python", "-m", "engine"]
    code, second, errors = studio(*words[3:], "--wait", "--json")
    assert code == 0, errors
    assert second["loss"] == first["loss"]


def test_stop_saves_and_resume_gives_the_same_end(studio, tiny, sample_dataset):
    _, undisturbed, _ = _train(studio, sample_dataset, "whole", tiny, "--max-steps", 40, "--wait")
    _, document, _ = _train(studio, sample_dataset, "halved", tiny, "--max-steps", 40)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 5, 120)
    code, stopped, errors = studio("runs", "stop", run.id, "--json")
    assert code == 0, errors
    assert stopped["status"] == "stopped" and 5 <= stopped["step"] < 40
    checkpoint = newest_complete(run.checkpoints)
    assert checkpoint and step_of(checkpoint) == stopped["step"]
    code, resumed, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert resumed["status"] == "finished"
    assert losses(run) == losses(open_run(undisturbed["run"]))


def test_waiting_for_a_run_that_is_stopped_exits_1(studio, tiny, sample_dataset):
    import threading

    ended: list = []
    thread = threading.Thread(
        target=lambda: ended.append(_train(studio, sample_dataset, "x", tiny, "--max-steps", 4000, "--wait"))
    )
    thread.start()
    from engine.runs import list_runs

    until(lambda: list_runs() and list_runs()[0].status().step >= 2, 120)
    local.stop(list_runs()[0])
    thread.join()
    code, document, errors = ended[0]
    assert (code, document["status"]) == (1, "stopped")
    assert "resume" in errors and len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize("seed", range(10 if PROVE else 2))
def test_kill_minus_9_then_resume_equals_an_unkilled_run(studio, tiny, sample_dataset, seed, proof):
    _, undisturbed, _ = _train(studio, sample_dataset, "whole", tiny, "--max-steps", 30, "--wait")
    _, document, _ = _train(studio, sample_dataset, "killed", tiny, "--max-steps", 30)
    run = open_run(document["run"])
    kill_at = random.Random(seed).randrange(4, 28)
    until(lambda: run.status().step >= kill_at, 120)
    kill(run)
    assert run.status().state == "lost"
    checkpoint = newest_complete(run.checkpoints)
    assert checkpoint and step_of(checkpoint) >= 3
    code, resumed, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert resumed["loss"] == pytest.approx(undisturbed["loss"], abs=1e-6)
    assert open_run(run.id).status().steps_at_start == step_of(checkpoint)
    difference = abs(resumed["loss"] - undisturbed["loss"])
    proof(f"2.4-kill-resume-{seed}", killed_at=kill_at, resumed_from=step_of(checkpoint), loss_difference=difference)


def test_a_half_written_checkpoint_is_passed_over(studio, tiny, sample_dataset):
    _, document, _ = _train(studio, sample_dataset, "killed", tiny, "--max-steps", 400)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 8, 120)
    kill(run)
    assert run.status().state == "lost"
    newest = newest_complete(run.checkpoints)
    assert newest
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate(100)
    assert not is_complete(newest)
    older = newest_complete(run.checkpoints)
    assert older and step_of(older) < step_of(newest)


def test_continuing_an_adapter(studio, tiny, sample_dataset):
    _train(studio, sample_dataset, "first", tiny, "--wait")
    _, document, errors = _train(
        studio, sample_dataset, "second", tiny, "--from-adapter", "first", "--rank", 16, "--wait"
    )
    assert document["status"] == "finished", errors
    assert (read_adapter("second").rank, read_adapter("second").card.spec["rank"]) == (4, 4)
    made = {name: losses(open_run(read_adapter(name).card.run or "")) for name in ("first", "second")}
    assert made["second"][1] < made["first"][1]


def test_packing_and_other_switches_run(studio, tiny, sample_dataset):
    code, document, errors = _train(
        studio, sample_dataset, "switches", tiny, "--packing", "--no-completion-only", "--gradient-checkpointing",
        "--target-modules", "attention", "--schedule", "linear", "--report-to", "tensorboard", "--dropout", 0.1, "--wait",
    )  # fmt: skip
    assert code == 0, errors
    assert document["status"] == "finished"
    assert list(open_run(document["run"]).path.rglob("events.out.tfevents*"))


def test_a_failed_run_says_why_and_resumes(studio, tiny, sample_dataset, studio_home):
    code, document, errors = _train(studio, sample_dataset, "small", tiny, "--max-length", 8, "--wait")
    assert (code, document["status"]) == (1, "failed")
    assert document["message"] and document["message"] in errors
    assert len(errors.strip().splitlines()) == 1
