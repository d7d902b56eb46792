"""What an evaluation or a comparison let models answer: `answers.jsonl`, one prompt a line, written by the run's own process.

What a line holds beside the prompt is the writer's business.
"""

from itertools import islice
from pathlib import Path
from typing import Any

from engine.files import read_jsonl
from engine.runs.run import Run


def answers_file(run: Run) -> Path:
    """Where they lie."""
    return run.path / "answers.jsonl"


def read_answers(run: Run, start: int = 0, stop: int | None = None) -> list[dict[str, Any]]:
    """Some of them, in the order they were written; none while there are none."""
    return list(islice(read_jsonl(answers_file(run)), start, stop))
