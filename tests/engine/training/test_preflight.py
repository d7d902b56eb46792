"""The verdict before a start: what fits, what does not, and what to change."""

import socket

import pytest

from engine.devices import Device
from engine.runs import open_run
from engine.training import memory, preflight
from engine.training.specs import SftSpec, parse_spec
from tests.engine.training.helpers import train


def _spec(**values: object) -> SftSpec:
    return parse_spec({"dataset": "zorvex", "adapter": "a", **values})


def test_it_fits_and_the_numbers_are_right(studio, tiny, sample_dataset):
    verdict = preflight.preflight(_spec(model=tiny, batch_size=2))
    assert verdict.fits and verdict.steps and verdict.prepared is None
    counted = preflight.preflight(_spec(model=tiny, batch_size=2, epochs=2.0)).steps
    studio("data", "prepare", sample_dataset, "--model", tiny)
    verdict = preflight.preflight(_spec(model=tiny, batch_size=2, epochs=2.0))
    assert verdict.prepared
    assert verdict.steps == counted == -(-verdict.prepared.train_rows // 2) * 2


def test_the_adapter_is_counted_as_peft_counts_it(studio, tiny, sample_dataset):
    train(studio, sample_dataset, "a", tiny, "--max-steps", 1, "--wait")
    from engine.adapters.store import read_adapter
    from engine.files import read_safetensors_header

    header = read_safetensors_header(read_adapter("a").path / "adapter_model.safetensors")
    weights = sum(tensor["shape"][0] * tensor["shape"][1] for tensor in header.values())
    assert memory.adapter_weights(_spec(model=tiny, rank=4), memory.shape(tiny)) == weights


@pytest.mark.long
def test_the_estimate_is_near_what_a_run_takes(studio, starter, sample_dataset):
    from engine.data import registry

    longest = registry.rows(sample_dataset, 0, 1)[0]
    assert longest
    code, document, errors = train(
        studio, sample_dataset, "a", starter, "--max-steps", 3, "--batch-size", 16, "--rank", 8, "--wait"
    )  # fmt: skip
    assert code == 0, errors
    held = max(event["memory"] for event in open_run(document["run"]).events() if event.get("memory"))
    estimated = preflight.preflight(_spec(model=starter, batch_size=16)).memory.total
    assert 0.5 * held < estimated < 2 * held


@pytest.fixture
def small_machine(monkeypatch):
    """A CPU with as little memory as the test says: the machine's edge is the one thing that is not real here."""

    def make(free: int) -> None:
        monkeypatch.setattr(preflight, "devices", lambda: [Device("cpu", "small", free, free)])

    return make


def test_what_would_fit_is_said(small_machine, starter, sample_dataset):
    small_machine(3 * 2**30)
    [problem] = preflight.preflight(_spec(batch_size=64)).problems
    assert "This would fit: --gradient-checkpointing" in str(problem)
    small_machine(2**29)
    [problem] = preflight.preflight(_spec(batch_size=64)).problems
    assert "choose a smaller model" in str(problem)


def test_a_port_in_use(starter, sample_dataset):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        several = {"launcher": "torchrun", "nodes": 2, "main_address": f"localhost:{port}"}
        [problem] = preflight.preflight(_spec(**several)).problems
        assert f"The port {port} cannot be used" in str(problem)


def test_a_full_disk(starter, sample_dataset, monkeypatch):
    class Full:
        free = 2**20

    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: Full)
    [problem] = preflight.preflight(_spec()).problems
    assert "delete old runs" in str(problem)


def test_the_command_line_gives_the_verdict(studio, starter, sample_dataset):
    code, document, errors = studio("train", "sft", "--dataset", sample_dataset, "--adapter", "a", "--check", "--json")
    assert code == 0, errors
    assert document["fits"] is True and document["memory"]["total"] > 2**29
    assert studio("runs", "list", "--json")[1] == []


def test_small_sizes_are_told_in_mib():
    assert [preflight.gib(size) for size in (0, 2**20, 40 * 2**20, 2**30)] == [
        "0.0 GiB",
        "1.0 MiB",
        "40.0 MiB",
        "1.0 GiB",
    ]
