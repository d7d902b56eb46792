"""What ends a training is explained in a sentence that says what to do."""

import errno
import os

import pytest

from engine.adapters.store import read_adapter
from engine.files import write_json
from engine.runs import open_run
from engine.training.failures import explain, is_secondary
from tests.engine.training.helpers import train


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "lower the batch size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "lower the batch size",
        ),
        (MemoryError(), "lower the batch size"),
        (RuntimeError("Watchdog caught collective operation timeout: WorkNCCL(SeqNum=3)"), "waited in vain"),
        (RuntimeError("[…/gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:1"), "waited in vain"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/data/x.arrow"), "/data/x.arrow is missing"),
        (ModuleNotFoundError("No module named 'deepspeed'", name="deepspeed"), "deepspeed is not installed"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_each_has_its_sentence(error, words):
    assert words in str(explain(error))


def test_only_what_another_process_caused_is_secondary():
    assert is_secondary(RuntimeError("Connection closed by peer"))
    assert not is_secondary(RuntimeError("out of memory"))


def test_a_loss_that_is_no_number_ends_the_run_with_a_word(studio, tiny, sample_dataset):
    import torch
    from safetensors.torch import load_file, save_file

    train(studio, sample_dataset, "broken", tiny, "--max-steps", 1, "--wait")
    weights = read_adapter("broken").path / "adapter_model.safetensors"
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in load_file(weights).items()}, weights)
    code, document, errors = train(studio, sample_dataset, "x", tiny, "--from-adapter", "broken", "--wait")
    assert code == 1, errors
    assert document["message"].startswith("At step 1 the loss is not a number any more: lower the learning rate")


def test_rows_that_the_model_cannot_read_are_named(studio, tiny, sample_dataset, tiny_model_folder, studio_home):
    """A tokenizer of another model: here the same rows, and a model that knows fewer tokens."""
    from transformers import AutoModelForCausalLM

    from tests.conftest import copy_tokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    model.resize_token_embeddings(1000)
    folder = studio_home / "var" / "models" / "fewer"
    model.save_pretrained(folder)
    copy_tokenizer(folder)
    code, document, _ = train(studio, sample_dataset, "x", "fewer", "--wait", "--launcher", "torchrun", "--nproc", 2)
    assert code == 1 and document["message"].startswith("Row 1 of the prepared dataset has the token")
    assert "Traceback" in (open_run(document["run"]).path / "logs" / "rank-0.txt").read_text()


def test_data_that_vanish_are_named(studio, tiny, sample_dataset):
    code, document, errors = train(studio, sample_dataset, "x", tiny, "--max-steps", 1, "--wait")
    assert code == 0, errors
    run = open_run(document["run"])
    spec = {**run.spec(), "adapter": "y"}
    write_json(run.path / "spec.json", spec)
    (run.path / "dataset.txt").write_text("gone")
    run.update(state="failed")
    code, document, _ = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 1 and "gone" in document["message"]
