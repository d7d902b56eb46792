"""Sample answers of a run: what the model said to fixed prompts at its evaluations, `samples/step-<n>.json`.

The run's own processes write them, others read.
"""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.files import read_json, write_json
from engine.runs.run import Run

_FILE = re.compile(r"step-(\d{1,9})\.json")


class Turn(BaseModel):
    """One message of a prompt."""

    role: str
    content: str


class Sample(BaseModel):
    """One prompt and what the model answered."""

    prompt: list[Turn]
    reply: str

    @property
    def question(self) -> str:
        """What the prompt asks last."""
        return next((turn.content for turn in reversed(self.prompt) if turn.role == "user"), "")


class _File(BaseModel):
    samples: list[Sample]


def write_samples(run: Run, step: int, samples: list[dict[str, Any]]) -> None:
    """Write those of one step.

    Args:
        run: the run.
        step: after which the model answered.
        samples: `{"prompt": [messages], "reply": str}` each.
    """
    write_json(_path(run, step), {"step": step, "samples": samples})
    run.add_event(event="samples", step=step)


def sample_steps(run: Run) -> list[int]:
    """The steps that have samples, ascending."""
    folder = run.path / "samples"
    names = (_FILE.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(name[1]) for name in names if name)


def read_samples(run: Run, step: int) -> list[Sample]:
    """The samples of one step; none if its file is gone or damaged."""
    try:
        return _File.model_validate(read_json(_path(run, step))).samples
    except (FileNotFoundError, ValueError, ValidationError):
        return []


def _path(run: Run, step: int) -> Path:
    return run.path / "samples" / f"step-{step}.json"
