"""How far a background run is, written into its status now and then; each time the stop flag is looked for."""

import time
from collections.abc import Callable

from engine.runs import Run

Progress = Callable[[int, int], None]

_EVERY_SECONDS = 0.5


def status_progress(run: Run) -> Progress:
    """What takes the units done and those there are.

    Raises (when called):
        Stopped: somebody asked the run to stop.
    """
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        run.end_if_stopped()
        if time.monotonic() - last > _EVERY_SECONDS or done >= total:
            run.update(step=done, max_steps=total)
            last = time.monotonic()

    return progress
