"""The loop of a small training from scratch that one process runs: AdamW, a moving average, snapshots, a log, a time limit.

A step's randomness comes from seed, stage and step alone, so a training killed at any moment goes on from its last snapshot
exactly as if it had not been. Snapshots are safetensors, written whole.
"""

import hashlib
import json
import random
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WARM_UP = 100
FINAL_SHARE = 0.25
"""The learning rate falls in the last quarter of the steps; before, it does not depend on how many are planned."""
LEAST = 0.02
EVERY = 20
"""Steps between lines of the log."""
M = TypeVar("M", bound=nn.Module)


class Clock:
    """When a call must stop, and how often it notes where it is."""

    def __init__(self, minutes: float | None = None, snapshot_minutes: float = 3):
        self.end = time.monotonic() + minutes * 60 if minutes else float("inf")
        self.between = snapshot_minutes * 60

    def is_over(self) -> bool:
        return time.monotonic() >= self.end


class Stage(Generic[M]):
    """One model being trained. Iterate over it for the numbers of its steps and call `learn` once in each."""

    def __init__(self, name: str, model: M, folder: Path, clock: Clock, steps: int, learning_rate: float, seed: int):
        self.name = name
        self.model = model
        self.average = deepcopy(model).requires_grad_(False)
        self.steps = steps
        self.step = 0
        self._clock = clock
        self.folder = folder
        self._seed = seed
        self._learning_rate = learning_rate
        self._parameters = list(model.parameters())
        self._optimizer = torch.optim.AdamW(self._parameters, learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
        self._figures: list[dict[str, float]] = []
        self._seconds = 0.0
        if self._snapshot.exists():
            self._resume()

    @property
    def is_finished(self) -> bool:
        return self.step >= self.steps

    def __iter__(self) -> Iterator[int]:
        """Steps until all are done or the time is up; a snapshot is made then, and every few minutes."""
        saved = time.monotonic()
        while not self.is_finished and not self._clock.is_over():
            began = time.monotonic()
            yield self.step
            self.step += 1
            now = time.monotonic()
            self._seconds += now - began
            if self.step % EVERY == 0:
                self._log()
            if now - saved > self._clock.between:
                self.save()
                saved = now
        if not self._snapshot.exists() or saved_step(self._snapshot) != self.step:
            self.save()

    def generator(self) -> torch.Generator:
        """The randomness of this step."""
        return torch.Generator().manual_seed(self._number())

    def chance(self) -> random.Random:
        """The same for what is not a tensor."""
        return random.Random(self._number())

    def learn(self, loss: Tensor, **figures: float) -> None:
        """One optimizer step along the gradient of the loss, and the average follows."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate * self._share()
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        decay = min(0.999, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self._parameters, strict=True):
                kept.lerp_(new, 1 - decay)
        self._figures.append({"loss": loss.item(), **figures})

    def save(self) -> None:
        """Write the snapshot; the one before stays until this one is whole."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in state.items()}
        written = self.folder / f".{self._snapshot.name}"
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, written, metadata={"step": str(self.step), "seconds": f"{self._seconds:.0f}"})
        written.replace(self._snapshot)

    @property
    def _snapshot(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    def _resume(self) -> None:
        self.step = saved_step(self._snapshot)
        self._seconds = float(_metadata(self._snapshot)["seconds"])
        tensors = load_file(self._snapshot)
        self.model.load_state_dict(_part(tensors, "model"))
        self.average.load_state_dict(_part(tensors, "average"))
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _part(tensors, "optimizer").items():
            number, name = key.split(".")
            state.setdefault(int(number), {})[name] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})

    def _share(self) -> float:
        left = (self.steps - self.step) / max(1.0, self.steps * FINAL_SHARE)
        return min(1.0, (self.step + 1) / WARM_UP, max(LEAST, left))

    def _number(self) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._seed} {self.name} {self.step}".encode()).digest()[:6])

    def _log(self) -> None:
        names = self._figures[0].keys() if self._figures else ()
        means = {name: sum(figures[name] for figures in self._figures) / len(self._figures) for name in names}
        line = {"stage": self.name, "step": self.step, "seconds": round(self._seconds), **means}
        with (self.folder / "events.jsonl").open("a") as log:
            log.write(
                json.dumps({key: round(value, 5) if isinstance(value, float) else value for key, value in line.items()})
                + "\n"
            )
        self._figures = []


def saved_step(snapshot: Path) -> int:
    """The step that a snapshot was made after."""
    return int(_metadata(snapshot)["step"])


def _metadata(snapshot: Path) -> dict[str, str]:
    with safe_open(snapshot, "pt") as file:
        return file.metadata()


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
