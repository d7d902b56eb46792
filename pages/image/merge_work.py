"""Long work in a thread of this process, for a page that looks in now and then: how far it is, how to stop it, what came of it.

Goes on if the page is left; ends with the server, and leaves nothing half made.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import duration

EVERY = "1s"


class Cancelled(Exception):
    """Somebody stopped it."""


class Work:
    """One piece of it; begins at once.

    Args:
        do: is given this work, says to `progress` how far it is, and returns the result.
        about: whatever the page wants to know of it later.
    """

    def __init__(self, do: Callable[["Work"], Any], about: Any = None):
        self.about = about
        self.done, self.every = 0, 0
        self.result: Any = None
        self.error: Exception | None = None
        self._began = time.monotonic()
        self._cancel = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(do,), daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still goes on."""
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        """Whether somebody stopped it."""
        return self._cancel.is_set()

    @property
    def left(self) -> float | None:
        """Seconds that it will still take; None as long as nobody can know."""
        if not self.done or not self.every:
            return None
        return (time.monotonic() - self._began) * (self.every - self.done) / self.done

    def cancel(self) -> None:
        """Stop at the next piece."""
        self._cancel.set()

    def report(self, done: int, every: int) -> None:
        """For the work: how far it is."""
        self.done, self.every = done, every

    def progress(self, done: int, every: int) -> None:
        """For the work: how far it is, at a place where it may be stopped.

        Raises:
            Cancelled: it shall stop.
        """
        self.report(done, every)
        if self.cancelled:
            raise Cancelled

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _run(self, do: Callable[["Work"], Any]) -> None:
        try:
            self.result = do(self)
        except Exception as error:  # it belongs to the page, which shows it
            self.error = error


def begin(key: str, do: Callable[["Work"], Any], about: Any = None) -> Work:
    """Begin work for this person; what was there under the key before is forgotten."""
    work = _all()[frame.person(), key] = Work(do, about)
    return work


def current(key: str) -> Work | None:
    """This person's newest work of a kind, at it or ended."""
    return _all().get((frame.person(), key))


def forget(key: str) -> None:
    """Take the result away."""
    _all().pop((frame.person(), key), None)


def watch(key: str) -> None:
    """How far it is, while it goes on; the whole page runs anew once it has ended."""
    work = current(key)
    if work is not None and work.alive:
        st.fragment(_watch, run_every=EVERY)(key)


def show_error(work: Work) -> None:
    """Why it came to nothing, if it did."""
    if isinstance(work.error, Cancelled):
        st.info(t("Stopped; nothing was made."), icon=":material/block:")
    elif work.error is not None:
        with frame.errors_shown():
            raise work.error


def _watch(key: str) -> None:
    work = current(key)
    if work is None or not work.alive:
        st.rerun()
        return
    left = "" if work.left is None else f" · {t('{time} left', time=duration(work.left))}"
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}.at_work"):
        st.progress(work.done / work.every if work.every else 0.0, _words(work) + left)
        st.button(t("Stop"), icon=":material/stop:", key=f"{key}.stop", disabled=work.cancelled, on_click=work.cancel)


def _words(work: Work) -> str:
    if work.cancelled:
        return t("stopping")
    return t("{n} of {all}", n=work.done, all=work.every) if work.every else t("Reading …")


@st.cache_resource
def _all() -> dict[tuple[str, str], Work]:
    return {}
