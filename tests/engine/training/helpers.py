"""What the training tests share: one way to train through the command line, and looks at what came of it."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from engine.files import sha256
from engine.jobs import local, queue
from engine.jobs.processes import processes
from engine.runs import Run, list_runs
from engine.settings import settings
from engine.training.specs import parse_spec

FAST = ["--batch-size", 2, "--rank", 4, "--learning-rate", 0.01, "--eval-split", 0.1, "--samples", 0]


def train(studio, dataset: str, adapter: str, model: str, *more: object):
    """`train sft` with small settings: exit code, document, errors."""
    words = ["train", "sft", "--dataset", dataset, "--adapter", adapter, "--model", model]
    return studio(*words, *FAST, *more, "--json", timeout=1200)


def until(condition: Callable[[], object], seconds: float = 180.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def losses(run: Run) -> dict[int, float]:
    """The loss of each step."""
    return {event["step"]: event["loss"] for event in run.events() if "loss" in event}


def weights(adapter: str) -> str:
    """The digest of an adapter's weights."""
    return sha256(settings().lora_store / adapter / "adapter_model.safetensors")


def start(model: str, name: str, steps: int = 4000, **more: object) -> Run:
    """A run in the background, or in the queue, as the page starts it."""
    values = {"dataset": "zorvex", "adapter": name, "model": model, "max_steps": steps, "batch_size": 2, "samples": 0}
    return local.start_training(parse_spec({**values, **more}))


def end_all() -> None:
    """Leave no run behind, waiting or going on."""
    for run in list_runs():
        queue.leave(run)
        for process in processes(run):
            process.kill()


def kill(run: Run) -> None:
    """`kill -9` of the leading process, and wait until that shows; it may have ended by itself just before."""
    process = run.status().process
    assert process
    with contextlib.suppress(ProcessLookupError):
        os.kill(process[0], signal.SIGKILL)
    until(lambda: run.status().state in ("lost", "finished"), 120)
