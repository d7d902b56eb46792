"""Runs: what was started in the background, and how far it is. A run goes on whether or not anybody looks.

The address says what is shown: `?run=ID` one run, `?compare=ID,ID` several side by side.
"""

import streamlit as st

from engine.runs import Run, list_runs
from engine.runs.run import ENDED
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.run_panel import run_panel
from pages.train.compare import compare, is_training
from pages.train.run_list import filtered, run_table


def main() -> None:
    """The page."""
    frame.person()
    st.title(t("Runs"))
    st.caption(t("Work goes on in the background, even if you close the page or restart the studio."))
    runs = list_runs()
    if not runs:
        _empty()
        return
    several = "compare" in st.query_params
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = filtered([run for run in runs if is_training(run)] if several else runs)
        _switch(runs, several)
    if not shown:
        st.caption(t("No run matches the filter."))
    live = any(run.status().state not in ENDED for run in shown)
    if several:
        st.fragment(_several, run_every="5s" if live else None)(shown)
        compare(_asked())
    elif shown:
        st.fragment(_one, run_every="5s" if live else None)(shown, live)
        run = _chosen(shown)
        st.query_params["run"] = run.id
        run_panel(run)


def _empty() -> None:
    with st.container(border=True, key="runs.empty"):
        st.subheader(t("Nothing was started yet"))
        st.markdown(
            t(
                "Start a training and watch it here: how the loss falls, how long it will take, what it printed. "
                "Stop it whenever you like; it goes on from where it was."
            )
        )
        if st.button(t("Train an adapter"), type="primary", icon=":material/model_training:", key="runs.train"):
            st.switch_page("pages/train/lora.py")


def _switch(runs: list[Run], several: bool) -> None:
    """Between one run and several."""
    if several:
        st.button(t("Back to one run"), icon=":material/arrow_back:", key="runs.back", on_click=_leave)
        return
    trainings = [run.id for run in runs if is_training(run)]
    if len(trainings) > 1:
        # the one looked at, and the newest beside it
        first = [run_id for run_id in trainings if run_id == st.query_params.get("run")]
        ids = list(dict.fromkeys([*first, *trainings]))[:2]
        st.button(
            t("Compare runs"), icon=":material/stacked_line_chart:", key="runs.compare", on_click=_show, args=(ids,)
        )


def _show(ids: list[str]) -> None:
    st.query_params["compare"] = ",".join(ids)


def _leave() -> None:
    del st.query_params["compare"]


def _asked() -> list[str]:
    """The ids that the address asks to compare."""
    return list(dict.fromkeys(filter(None, st.query_params.get("compare", "").split(","))))


def _chosen(runs: list[Run]) -> Run:
    """The one the address names, else the newest."""
    asked = st.query_params.get("run")
    return next((run for run in runs if run.id == asked), runs[0])


def _one(runs: list[Run], live: bool) -> None:
    if live and all(run.status().state in ENDED for run in runs):
        st.rerun()  # the whole page: looking every five seconds ends
    chosen = run_table(runs, [_chosen(runs).id], several=False)
    if chosen and chosen[0] != _chosen(runs).id:
        st.query_params["run"] = chosen[0]
        st.rerun()


def _several(runs: list[Run]) -> None:
    here = {run.id for run in runs}
    before = [run_id for run_id in _asked() if run_id in here]
    chosen = run_table(runs, before, several=True) if runs else before
    if {*chosen} != {*before}:
        # what the filter hides stays chosen; the order is that of choosing, so that no line changes its colour
        kept = [run_id for run_id in _asked() if run_id not in here or run_id in chosen]
        _show([*kept, *(run_id for run_id in chosen if run_id not in kept)])
        st.rerun()


main()
