"""Runs: what was started in the background, and how far it is. A run goes on whether or not anybody looks."""

import streamlit as st

from engine.runs import Run, list_runs
from engine.runs.run import ENDED
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import when
from pages.shared.run_panel import how_far, kind_name, run_panel, state_name


def main() -> None:
    """The page."""
    frame.person()
    st.title(t("Runs"))
    st.caption(t("Work goes on in the background, even if you close the page or restart the studio."))
    runs = list_runs()
    if not runs:
        _empty()
        return
    live = any(run.status().state not in ENDED for run in runs)
    st.fragment(_list, run_every="5s" if live else None)(runs)
    run = _chosen(runs)
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


def _chosen(runs: list[Run]) -> Run:
    """The one the address names, else the newest."""
    asked = st.query_params.get("run")
    return next((run for run in runs if run.id == asked), runs[0])


def _list(runs: list[Run]) -> None:
    statuses = [run.status() for run in runs]
    event = st.dataframe(
        {
            t("Makes or uses"): [status.adapter or status.subject or "" for status in statuses],
            t("State"): [state_name(status.state) for status in statuses],
            t("Progress"): [how_far(status) if status.max_steps else "–" for status in statuses],
            t("Loss"): ["–" if status.loss is None else f"{status.loss:.4f}" for status in statuses],
            t("Started"): [when(status.created) for status in statuses],
            t("Kind"): [kind_name(run.kind) for run in runs],
            t("Run"): [run.id for run in runs],
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [runs.index(_chosen(runs))]}},
        key=f"runs.list.{runs[0].id}",
    )
    chosen = runs[event["selection"]["rows"][0]].id
    if chosen != _chosen(runs).id:
        st.query_params["run"] = chosen
        st.rerun()


main()
