"""Keeps the queue going while the studio runs: starts what can be started, and gives the chat model's memory free for it.

One thread for the whole server. Runs need it for nothing else: they go on without the studio.
"""

import contextlib
import logging
import threading
from collections.abc import AsyncGenerator

from engine.jobs import queue
from engine.runs import list_runs

_LOOK_EVERY_SECONDS = 2.0
_NEWEST = 20
"""Runs that are looked at for a request: one that has just begun is among the newest, or was just resumed."""


@contextlib.asynccontextmanager
async def keep_queue(_app: object) -> AsyncGenerator[None]:
    """For `st.App`: from the server's start to its end."""
    ended = threading.Event()
    threading.Thread(target=_keep, args=(ended,), daemon=True, name="queue").start()
    yield
    ended.set()


def _keep(ended: threading.Event) -> None:
    while not ended.wait(_LOOK_EVERY_SECONDS):
        try:
            queue.advance()
            _unload_for_runs()
        except Exception:  # one damaged run directory must not end the watch
            logging.getLogger(__name__).exception("the queue could not be advanced")


def _unload_for_runs() -> None:
    """A run that begins takes ten seconds to load its libraries: the memory is free by then."""
    from engine.models.host import host

    for run in list_runs()[:_NEWEST]:
        if run.take_memory_request():
            host().unload()
