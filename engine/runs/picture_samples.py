"""Sample pictures of a run: what the model drew of fixed prompts at fixed seeds, `samples/pictures-<step>.json` and its PNGs.

The run's own processes write them, others read.
"""

import re
from pathlib import Path

from pydantic import BaseModel, ValidationError

from engine.files import read_json, write_bytes, write_json
from engine.runs.run import Run

_FILE = re.compile(r"pictures-(\d{1,9})\.json")


class PictureSample(BaseModel):
    """One picture."""

    prompt: str
    seed: int
    file: Path
    """The PNG."""


def write_pictures(run: Run, step: int, pictures: list[tuple[str, int, bytes]]) -> None:
    """Write those of one step.

    Args:
        run: the run.
        step: after which they were drawn.
        pictures: prompt, seed and PNG of each.
    """
    samples = []
    for number, (prompt, seed, content) in enumerate(pictures):
        file = _path(run, step).with_name(f"pictures-{step}-{number}.png")
        write_bytes(file, content)
        samples.append({"prompt": prompt, "seed": seed, "file": file.name})
    write_json(_path(run, step), {"step": step, "pictures": samples})
    run.add_event(event="samples", step=step)


def picture_steps(run: Run) -> list[int]:
    """The steps that have pictures, ascending."""
    folder = run.path / "samples"
    names = (_FILE.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(name[1]) for name in names if name)


def read_pictures(run: Run, step: int) -> list[PictureSample]:
    """The pictures of one step; none if they are gone or damaged."""
    path = _path(run, step)
    try:
        found = [PictureSample.model_validate(each) for each in read_json(path)["pictures"]]
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return []
    placed = [each.model_copy(update={"file": path.parent / each.file.name}) for each in found]
    return [each for each in placed if each.file.is_file()]


def _path(run: Run, step: int) -> Path:
    return run.path / "samples" / f"pictures-{step}.json"
