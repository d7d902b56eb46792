"""The lock that tells whether a run is alive: held by its leading process for life, freed by the kernel however it ends.

A process id can be reused and a status file can be stale; this lock is neither. It works on local file systems only.
"""

import fcntl
import os
import time
from pathlib import Path


def acquire(path: Path, wait: float = 2.0) -> int | None:
    """Take the exclusive lock.

    Args:
        path: the lock file, created if missing.
        wait: seconds to go on trying; the probes of `is_held` take the lock for a moment.

    Returns:
        The open descriptor that holds the lock until it and every inherited copy are closed, or None if it is taken.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.02)


def is_held(path: Path) -> bool:
    """Whether a living process holds the exclusive lock."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
