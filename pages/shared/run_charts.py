"""Charts of a run's events, thinned so that a run of any length draws at once."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import altair as alt
import streamlit as st

from pages.shared.i18n import t

MOST_POINTS = 1000
COLORS = ["#0d9488", "#f59e0b"]  # seen well on light and on dark ground
_Point = TypeVar("_Point")


def run_charts(events: list[dict[str, Any]], key: str) -> None:
    """Loss first, large; what helps to understand it below, small."""
    losses = [*_points(events, "loss", t("training")), *_points(events, "eval_loss", t("evaluation"))]
    _warn_if_not_a_number(events)
    if not losses:
        st.caption(t("The charts begin with the first step."))
        return
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"**{t('Loss')}**", width="content")
        help_ = t("Shows small differences of a loss that is already low.")
        log = st.toggle(t("Logarithmic"), key=f"{key}.logarithmic", help=help_)
    st.altair_chart(_chart(losses, [t("training"), t("evaluation")], log), height=280, alt=t("Loss by step"))
    small = {
        "learning_rate": t("Learning rate"),
        "grad_norm": t("Gradient norm"),
        "tokens_per_second": t("Tokens a second"),
    }
    for column, (name, title) in zip(st.columns(3), small.items(), strict=True):
        column.markdown(f"**{title}**")
        column.altair_chart(_chart(_points(events, name, title), [title]), height=150, alt=title)


def thinned(points: Sequence[_Point], most: int = MOST_POINTS) -> list[_Point]:
    """At most `most` of them, evenly chosen, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def _points(events: list[dict[str, Any]], name: str, series: str) -> list[dict[str, Any]]:
    found = [event for event in events if isinstance(event.get(name), int | float) and math.isfinite(event[name])]
    return [{"step": event["step"], "value": event[name], "series": series} for event in thinned(found)]


def _warn_if_not_a_number(events: list[dict[str, Any]]) -> None:
    step = next((event["step"] for event in events if not math.isfinite(event.get("loss") or 0)), None)
    if step is not None:
        sentence = t("From step {step} on the loss is not a number: start again with a lower learning rate.", step=step)
        st.warning(sentence, icon=":material/warning:")


def _chart(points: list[dict[str, Any]], series: list[str], log: bool = False) -> alt.Chart:
    if log:
        points = [point for point in points if point["value"] > 0]
    several = len({point["series"] for point in points}) > 1
    colors = alt.Scale(domain=series, range=COLORS[: len(series)])
    return (
        alt.Chart(alt.Data(values=points))
        .mark_line(point=len(points) <= 60)
        .encode(
            x=alt.X("step:Q", title=None, axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(type="log") if log else alt.Scale(zero=False)),
            color=alt.Color(
                "series:N", scale=colors, legend=alt.Legend(orient="top-right", title=None) if several else None
            ),
            tooltip=[
                alt.Tooltip("step:Q", title=t("step")),
                alt.Tooltip("value:Q", title=t("value"), format=".4g"),
                alt.Tooltip("series:N", title=t("curve")),
            ],
        )
    )
