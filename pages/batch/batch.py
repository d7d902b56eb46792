"""Batch: one prompt for every row of a file. A form on one side, the batches that were started on the other."""

import streamlit as st

from engine.runs import Run, list_runs
from engine.runs.run import ENDED
from pages.batch.form import GO_TO, VIEW
from pages.batch.new import new_batch
from pages.batch.runs import RUN, runs_view
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.run_panel import run_summary


def main() -> None:
    """The page."""
    frame.person()
    runs = [run for run in list_runs() if run.kind == "batch"]
    st.title(t("Batch"))
    st.caption(t("Asks a model the same thing about every row of a file; the replies come back as a new column."))
    with frame.errors_shown():
        if runs and _view(runs) == "runs":
            runs_view(runs)
            return
        for run in runs:
            if run.status().state not in ENDED:
                run_summary(run)
        new_batch()


def _view(runs: list[Run]) -> str:
    """Which half is shown: what the person chose, or what the address or a click elsewhere asks for."""
    if asked := st.session_state.pop(GO_TO, None):
        st.session_state[VIEW] = "new"
        st.query_params.pop(RUN, None)
        if asked != "new":
            st.query_params[RUN] = asked
    if RUN in st.query_params:
        st.session_state[VIEW] = "runs"
    st.session_state.setdefault(VIEW, "new")
    views = {"new": t("New batch"), "runs": t("Batches ({n})", n=len(runs))}
    view = st.segmented_control(
        t("View"),
        views,
        format_func=views.__getitem__,
        key=VIEW,
        required=True,
        label_visibility="collapsed",
        on_change=_changed,
    )
    return view or "new"


def _changed() -> None:
    if st.session_state.get(VIEW) != "runs":
        st.query_params.pop(RUN, None)


main()
