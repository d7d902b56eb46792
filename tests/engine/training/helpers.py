"""What the training tests share: one way to train through the command line, and looks at what came of it."""

import time
from collections.abc import Callable

from engine.files import sha256
from engine.runs import Run
from engine.settings import settings

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
