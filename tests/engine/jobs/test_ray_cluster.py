"""A training on a real one-node Ray cluster."""

import os
import signal

import pytest

from engine.adapters.store import read_adapter
from engine.data import registry
from engine.errors import BadInput
from engine.files import read_json, write_text
from engine.jobs.ray import follow as ray_cluster
from engine.jobs.ray.files import JobFiles
from engine.jobs.ray.package import HOME, fill
from engine.runs import create_run, open_run
from engine.settings import settings
from engine.training.checkpoints import newest_complete, step_of
from engine.training.specs import parse_spec
from tests.engine.training.helpers import losses, train, until

pytest.importorskip("ray", reason="requirements-cluster.txt is not installed")


def test_a_run_on_the_cluster_looks_like_one_from_here(cluster, studio, tiny, sample_dataset):
    code, document, errors = train(
        studio, sample_dataset, "far", tiny, "--executor", "ray", "--max-steps", 10, "--save-steps", 5, "--wait"
    )
    assert code == 0, errors
    run = open_run(document["run"])
    assert (document["status"], document["step"]) == ("finished", 10)
    assert list(losses(run)) == list(range(1, 11)) and document["loss"] == losses(run)[10]
    assert "Running entrypoint for job" in run.log.read_text()
    assert run.status().devices == []
    card = read_adapter("far").card
    assert (card.run, card.base_model, card.spec["executor"]) == (run.id, tiny, "ray")
    code, _, errors = studio("chat", "Hello", "--model", tiny, "--adapter", "far", "--max-new-tokens", 2, "--json")
    assert code == 0, errors


def test_a_stop_reaches_every_process_there_and_the_run_goes_on_from_its_checkpoint(
    cluster, studio, tiny, sample_dataset
):
    two = ["--launcher", "torchrun", "--nproc", 2, "--max-steps", 4000, "--save-steps", 1000]
    _, document, _ = train(studio, sample_dataset, "halted", tiny, "--executor", "ray", *two)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 6 or run.status().state == "failed")
    code, document, errors = studio("runs", "stop", run.id, "--json")
    assert code == 0, errors
    assert (document["status"], document["message"], document["world_size"]) == ("stopped", None, 2)
    checkpoint = newest_complete(run.checkpoints)
    assert checkpoint and step_of(checkpoint) == document["step"]
    end = step_of(checkpoint) + 2
    code, document, errors = studio("runs", "resume", run.id, "--set", f"max_steps={end}", "--wait", "--json")
    assert code == 0, errors
    assert (document["status"], document["step"]) == ("finished", end)
    assert list(losses(run)) == list(range(1, end + 1))
    assert [event["step"] for event in run.events() if event.get("event") == "resumed"] == [end - 2]
    assert read_adapter("halted").card.run == run.id


def test_a_job_outlives_the_studio_that_sent_it_and_is_taken_up_again(cluster, studio, tiny, sample_dataset):
    _, document, _ = train(studio, sample_dataset, "left", tiny, "--executor", "ray", "--max-steps", 30)
    run = open_run(document["run"])
    until(lambda: "Running entrypoint" in run.log.read_text())
    leader = run.status().process
    assert leader
    os.kill(leader[0], signal.SIGKILL)
    until(lambda: run.status().state == "lost")
    code, document, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert document["step"] == 30 and read_adapter("left").card.run == run.id
    assert read_json(run.path / "ray.json")["number"] == 1


def test_what_fails_there_is_explained_here(cluster, studio, tiny, sample_dataset):
    code, document, _ = train(
        studio, sample_dataset, "odd", tiny, "--executor", "ray", "--attention", "flash_attention_2", "--wait"
    )
    assert code == 1 and document["status"] == "failed"
    assert "flash" in document["message"].lower() and "Ray" not in document["message"], document["message"]
    assert "Traceback" in open_run(document["run"]).log.read_text()


def test_a_job_is_sent_the_one_version_of_the_data_that_the_run_began_with_and_its_own_files(
    tiny, sample_dataset, tmp_path, monkeypatch
):
    config = tmp_path / "mine.json"
    config.write_text("{}")
    pinned = list(registry.iterate(sample_dataset))
    values = {"dataset": sample_dataset, "adapter": "sent", "model": tiny, "executor": "ray"}
    spec = parse_spec({**values, "launcher": "deepspeed", "deepspeed": str(config)})
    run = create_run("sft", spec.model_dump(), "", adapter="sent")
    write_text(run.path / "dataset.txt", registry.card(sample_dataset).reference)
    registry.append(sample_dataset, pinned[:1])  # a second version, which the run must not meet
    package = tmp_path / "package"
    package.mkdir()
    fill(package, spec, run)
    assert {path.name for path in package.iterdir()} == {"engine", HOME, "own-deepspeed"}
    monkeypatch.setenv("STUDIO_HOME", str(package / HOME))
    settings.cache_clear()
    sent = open_run(run.id)
    assert list(registry.iterate(sample_dataset)) == pinned
    assert (sent.spec()["executor"], sent.spec()["deepspeed"]) == ("local", "own-deepspeed")


def test_a_cluster_that_does_not_answer_is_named(studio, tiny, sample_dataset, monkeypatch):
    monkeypatch.setenv("STUDIO_RAY_ADDRESS", "http://127.0.0.1:9")
    code, document, _ = train(studio, sample_dataset, "none", tiny, "--executor", "ray", "--wait")
    assert code == 1
    assert document["message"].startswith("The Ray cluster http://127.0.0.1:9 cannot be reached")


def test_no_address_is_told_before_anything_is_sent():
    with pytest.raises(BadInput, match="STUDIO_RAY_ADDRESS"):
        ray_cluster.check()


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "samples/../../x", "samples/"])
def test_a_name_from_the_cluster_that_leaves_its_folder_is_refused(name, tmp_path):
    with pytest.raises(ValueError):
        JobFiles(None, "node", "job").fetch(name, tmp_path / "x")
