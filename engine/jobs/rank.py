"""One of several processes of a training: `python -m engine rank RUN_ID`, started by a launcher and not by hand.

Records itself in the run directory, runs the recipe, and never outlives the run's leading process.
"""

import ctypes
import os
import signal
import sys
import threading
import time
import traceback

from engine.errors import Failure
from engine.jobs.recipes import run_recipe
from engine.runs import Run, lock, open_run, ranks
from engine.training.failures import explain, is_secondary

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LOOK_EVERY_SECONDS = 0.5


def rank(run_id: str) -> None:
    """Run the recipe as the rank that the launcher's environment names.

    Raises:
        StudioError: it failed; the reason stands in the run directory.
    """
    run = open_run(run_id)
    number = int(os.environ.get("RANK", "0"))
    die_with_parent()
    ranks.register(run, number)
    _end_on_sigterm(run, number)
    _print_to_own_log(run, number)
    _watch_leader(run)
    try:
        run_recipe(run)
    except Exception as error:
        traceback.print_exc()
        explained = explain(error)
        ranks.finish(run, number, explained, is_secondary(error))
        raise explained from error
    ranks.finish(run, number)


def die_with_parent() -> None:
    """Ask the kernel for a SIGKILL when the parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _print_to_own_log(run: Run, number: int) -> None:
    path = ranks.log_file(run, number)
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_on_sigterm(run: Run, number: int) -> None:
    """Say so when the launcher ends this process for another's sake: who is gone without a word was killed.

    A thread waits for the signal, as a handler would not be run while the main thread waits inside a collective.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        ranks.finish(run, number, Failure("It was ended by its launcher."), secondary=True)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="sigterm").start()


def _watch_leader(run: Run) -> None:
    """End this process when the leader has gone: between the two may be launchers that would leave it running."""

    def watch() -> None:
        while lock.is_held(run.lock):
            time.sleep(_LOOK_EVERY_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="leader").start()
