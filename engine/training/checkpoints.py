"""Checkpoints that can be trusted: a folder counts only once our manifest, written last, names every file and its size.

Trainer writes into the final folder and takes the highest number, complete or not (transformers issue 35525); this does not.
"""

import shutil
from pathlib import Path

from engine.files import read_json, write_json

MANIFEST = "complete.json"


def seal(checkpoint: Path) -> None:
    """Declare a checkpoint complete. Call it when all its files are written."""
    sizes = {str(file.relative_to(checkpoint)): file.stat().st_size for file in _files(checkpoint)}
    write_json(checkpoint / MANIFEST, sizes)


def is_complete(checkpoint: Path) -> bool:
    """Whether it was sealed and every file still has its size."""
    try:
        manifest = read_json(checkpoint / MANIFEST)
        return all((checkpoint / name).stat().st_size == size for name, size in manifest.items())
    except (OSError, ValueError):
        return False


def newest_complete(folder: Path) -> Path | None:
    """The complete checkpoint with the highest step, if there is any."""
    return next((path for path in reversed(_in_order(folder)) if is_complete(path)), None)


def passed_over(folder: Path) -> list[int]:
    """The steps of those newer than the newest complete one: half written, or damaged since."""
    newest = newest_complete(folder)
    return [step_of(path) for path in _in_order(folder) if newest is None or step_of(path) > step_of(newest)]


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the newest `count` complete checkpoints, and incomplete ones older than those."""
    complete = [path for path in _in_order(folder) if is_complete(path)]
    kept = complete[-count:]
    for path in _in_order(folder):
        if kept and step_of(path) < step_of(kept[0]):
            shutil.rmtree(path)


def remove_incomplete(folder: Path) -> None:
    """Remove what a killed or failed run left half written."""
    for path in _in_order(folder):
        if not is_complete(path):
            shutil.rmtree(path, ignore_errors=True)


def step_of(checkpoint: Path) -> int:
    """The optimizer step a checkpoint was taken after."""
    return int(checkpoint.name.split("-")[1])


def _in_order(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"), key=step_of)


def _files(checkpoint: Path) -> list[Path]:
    return [path for path in checkpoint.rglob("*") if path.is_file() and path != checkpoint / MANIFEST]
