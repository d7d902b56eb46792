"""Runs about datasets that go on in the background, at the top of the page, so that it stays usable meanwhile."""

import streamlit as st

from engine.data.specs import SPECS, DataSpec
from engine.jobs import local
from engine.runs import Run, list_runs
from engine.runs.run import ENDED
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.run_panel import OPEN, run_ending, run_summary

_BEGUN = "datasets.begun"


def begin(spec: DataSpec) -> None:
    """Start a run, and tell its person how it ends.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    run = local.start_data(spec)
    st.session_state[_BEGUN] = [*st.session_state.get(_BEGUN, []), run.id]


def at_work() -> None:
    """Every run that goes on, and those begun here that did not finish, until they are waved away."""
    mine: list[str] = st.session_state.get(_BEGUN, [])
    for run in list_runs():
        if run.kind not in SPECS:
            continue
        status = run.status()
        if status.state == "finished" and run.id in mine:
            _finished(run, status.subject)
        elif status.state not in ENDED:
            run_summary(run)
        elif run.id in mine:
            run_summary(run)
            run_ending(run, status)
            st.button(t("Hide"), type="tertiary", key=f"hide.{run.id}", on_click=_forget, args=(run.id,))


def _finished(run: Run, subject: str | None) -> None:
    _forget(run.id)
    if run.kind == "import":
        st.session_state[OPEN] = subject
    st.toast(t("Done: “{name}”", name=literal(subject or run.id)), icon=":material/check:")


def _forget(run_id: str) -> None:
    st.session_state[_BEGUN] = [begun for begun in st.session_state.get(_BEGUN, []) if begun != run_id]
