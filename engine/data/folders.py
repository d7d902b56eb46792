"""Folders that appear whole or not at all, however the process that builds them ends.

A folder is built under a hidden name beside its place and renamed when it is complete. A lock file, which stays, tells the
work of the living from the leftovers of the dead.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.runs import lock

_SUFFIX = ".building"
_PARTIAL = ".partial"
_KEPT_SECONDS = 7 * 86_400
"""How long a partial folder waits for somebody to go on with it."""


@contextlib.contextmanager
def locked(target: Path, wait: float = 2.0) -> Iterator[None]:
    """Hold the right to make, change or delete a folder.

    Args:
        target: the folder, which need not exist; its parent does.
        wait: seconds to go on trying while somebody else holds it.

    Raises:
        BadInput: somebody else still holds it.
    """
    held = lock.acquire(_lock(target), wait)
    if held is None:
        raise BadInput("Somebody is working on “{name}” at this moment: try again when that is done.", name=target.name)
    try:
        yield
    finally:
        os.close(held)


@contextlib.contextmanager
def building(target: Path) -> Iterator[Path]:
    """Build a folder whole. For whoever holds its lock.

    Yields:
        An empty folder that takes the place of `target`, which must not exist, when the block ends without an error.
    """
    remove_leftovers(target.parent)
    temporary = _temporary(target)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        _flush(temporary)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def resumable(target: Path) -> Iterator[Path]:
    """Build a folder whole, perhaps in several attempts. For whoever holds its lock.

    Yields:
        The folder with what earlier attempts, stopped or killed, left in it. It takes the place of `target` when the block
        ends without an error; it is thrown away when the request itself was wrong (`BadInput`).
    """
    remove_leftovers(target.parent)
    temporary = target.parent / f".{target.name}{_PARTIAL}"
    temporary.mkdir(exist_ok=True)
    try:
        yield temporary
    except BadInput:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _flush(temporary)
    temporary.rename(target)


def remove(target: Path) -> None:
    """Delete a folder, which is gone from sight at once. For whoever holds its lock."""
    remove_leftovers(target.parent)
    temporary = _temporary(target)
    shutil.rmtree(temporary, ignore_errors=True)
    target.rename(temporary)
    shutil.rmtree(temporary)


def remove_leftovers(parent: Path) -> None:
    """Delete what killed processes left half built in a folder; the work of living ones stays."""
    for temporary in parent.glob(f".*{_SUFFIX}"):
        target = parent / temporary.name.removeprefix(".").removesuffix(_SUFFIX)
        held = lock.acquire(_lock(target), wait=0)
        if held is not None:
            shutil.rmtree(temporary, ignore_errors=True)
            os.close(held)
    for temporary in parent.glob(f".*{_PARTIAL}"):
        if time.time() - temporary.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(temporary, ignore_errors=True)


def _lock(target: Path) -> Path:
    return target.parent / f".{target.name}.lock"


def _temporary(target: Path) -> Path:
    return target.parent / f".{target.name}{_SUFFIX}"


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
