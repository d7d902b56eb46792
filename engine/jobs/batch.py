"""Starts batches as background runs, and asks their failed rows again."""

from engine.batch.spec import BatchSpec
from engine.runs import Run


def start_batch(spec: BatchSpec) -> Run:
    """Start a batch in the background, or let it wait for its device. `local.stop` and `local.resume` are as for all runs.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    raise NotImplementedError


def rerun_failed(run: Run) -> int:
    """Ask the failed rows of a run that has ended once more, with other seeds; returns how many. Replies that are there stay.

    Raises:
        BadInput: the run is going on, or no row failed.
    """
    raise NotImplementedError
