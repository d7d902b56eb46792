"""Charts of runs: one run's curves, and the lines that any chart of curves is made of."""

import altair as alt
import streamlit as st

from engine.runs.curves import Curves, Point
from engine.runs.warnings import warnings
from pages.shared.i18n import t

Chart = dict[str, list[Point]]
"""The lines of one chart, by their names."""

COLORS = ["#0d9488", "#f59e0b", "#6366f1", "#ef4444", "#0ea5e9", "#84cc16", "#ec4899", "#a16207"]
"""Seen well on light and on dark ground."""
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3]]
"""They tell lines apart once the colours are used up."""


def run_charts(curves: Curves, method: str, key: str) -> None:
    """What to worry about; then what is optimised, large; then what helps to understand it, small, if it has points.

    Args:
        curves: of a run.
        method: the run's kind.
        key: of its widgets.
    """
    _warn(curves, method)
    points = curves.points
    if not points["loss"] and not points["eval_loss"]:
        st.caption(t("The charts begin with the first step."))
        return
    charts = _by_method(points)
    if method == "rloo":  # its loss scatters around nought whatever is learnt
        reward = t("Reward")
        _grid({reward: charts.pop(reward)}, columns=1, narrowest=300, height=260)
        charts[t("Loss")] = {t("training"): points["loss"], t("evaluation"): points["eval_loss"]}
    else:
        _loss(points, key)
    _grid(charts, columns=2, narrowest=300, height=160)
    _grid(_machine(curves), columns=4, narrowest=170, height=110)


def _loss(points: dict[str, list[Point]], key: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"**{t('Loss')}**", width="content")
        log = logarithmic(key)
    losses = {t("training"): points["loss"], t("evaluation"): points["eval_loss"]}
    st.altair_chart(lines(losses, 260, log), alt=t("Loss by step"))


def _warn(curves: Curves, method: str) -> None:
    if curves.not_a_number is not None:
        st.warning(
            t(
                "From step {step} on the loss is not a number: start again with a lower learning rate.",
                step=curves.not_a_number,
            ),
            icon=":material/warning:",
        )
    for caution in warnings(curves.points, method):
        st.warning(t(caution.sentence, **caution.values), icon=":material/warning:")


def _grid(charts: dict[str, Chart], columns: int, narrowest: int, height: int) -> None:
    drawn = {title: series for title, series in charts.items() if any(series.values())}
    if not drawn:
        return
    with st.grid(columns, min_column_width=narrowest):
        for title, series in drawn.items():
            with st.container():
                st.markdown(f"**{title}**")
                st.altair_chart(lines(series, height), alt=title)


def logarithmic(key: str) -> bool:
    """The switch of a chart of losses."""
    hint = t("Shows small differences of a loss that is already low.")
    return st.toggle(t("Logarithmic"), key=f"{key}.logarithmic", help=hint)


def lines(series: Chart, height: int, log: bool = False) -> alt.Chart:
    """One line a series, each in a colour (and from the ninth on a dash) of its own; a click in the legend lifts one out.

    Args:
        series: step and value of each point, by the name in the legend.
        height: of the plot, in pixels; the legend comes on top of it.
        log: a logarithmic axis; values that it cannot show are left out.
    """
    several = sum(bool(points) for points in series.values()) > 1
    legend = (
        alt.Legend(title=None, orient="bottom", columns=alt.ExprRef(_COLUMNS), labelLimit=140, offset=4)
        if several
        else None
    )
    names = list(series)
    colors = [COLORS[place % len(COLORS)] for place in range(len(names))]
    dashes = [DASHES[place // len(COLORS) % len(DASHES)] for place in range(len(names))]
    clicked = alt.selection_point(fields=["series"], bind="legend")
    tooltip = [
        alt.Tooltip("series:N", title=t("curve")),
        alt.Tooltip("step:Q", title=t("step")),
        alt.Tooltip("value:Q", title=t("value"), format=".4g"),
    ]
    few = max(map(len, series.values()), default=0) <= 60
    grows = alt.AutoSizeParams(type="fit-x", contains="padding")  # a long legend must not eat the plot
    chart = (
        alt.Chart(_table(series, log), height=height, autosize=grows)  # pyright: ignore[reportArgumentType]  (Arrow will do)
        .mark_line(point=few, strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title=None, axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(type="log") if log else alt.Scale(zero=False)),
            color=alt.Color("series:N", scale=alt.Scale(domain=names, range=colors), legend=legend),
            tooltip=tooltip if few else tooltip[:1],  # a long line is one mark: only its name is true everywhere
        )
    )
    if len(names) > len(COLORS):
        chart = chart.encode(
            strokeDash=alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=dashes), legend=legend)
        )
    return chart.encode(opacity=alt.when(clicked).then(alt.value(1)).otherwise(alt.value(0.1))).add_params(clicked)


_COLUMNS = "max(1, floor(containerSize()[0] / 170))"
"""As many names side by side in the legend as the page is wide; an expression of Vega."""


def _by_method(points: dict[str, list[Point]]) -> dict[str, Chart]:
    """What a training on preferences or of a picture model is judged by, by title."""
    training, evaluation = t("training"), t("evaluation")
    chosen, rejected = t("chosen replies"), t("rejected replies")
    return {
        t("Reward"): {
            t("mean"): points["reward"],
            t("spread"): points["reward_std"],
            evaluation: points["eval_reward"],
        },
        t("Rewards of the replies"): {chosen: points["rewards_chosen"], rejected: points["rewards_rejected"]},
        t("Margin"): {training: points["margin"], evaluation: points["eval_margin"]},
        t("Pairs ranked right"): {training: points["accuracy"], evaluation: points["eval_accuracy"]},
        t("Log-probability, nats a reply"): {chosen: points["logps_chosen"], rejected: points["logps_rejected"]},
        t("KL to the beginning, nats a token"): {t("KL"): points["kl"]},
        t("Entropy, nats a token"): {t("Entropy"): points["entropy"]},
        t("Length of replies, tokens"): {t("Length"): points["length"]},
        t("Parts of the loss"): {
            t("the thing"): points["instance_loss"] if points["prior_loss"] else [],  # alone it is the loss
            t("others of its kind"): points["prior_loss"],
        },
    }


def _machine(curves: Curves) -> dict[str, Chart]:
    """What a training does with its machine, by title."""
    points = curves.points
    speed, measured = pace(points)
    series = {t("Learning rate"): points["learning_rate"], t("Gradient norm"): points["grad_norm"], speed: measured}
    return {**{title: {title: line} for title, line in series.items()}, t("Memory, GiB"): _memory(curves)}


def pace(points: dict[str, list[Point]]) -> tuple[str, list[Point]]:
    """How fast a training is, and what that counts: pictures or tokens."""
    pictures = points["pictures_per_second"]
    return (t("Pictures a second"), pictures) if pictures else (t("Tokens a second"), points["tokens_per_second"])


def rounded(speed: float) -> float:
    """A speed as people read it."""
    return round(speed, 2 if speed < 10 else None)


def _memory(curves: Curves) -> Chart:
    """One curve a process."""
    found = {t("process {n}", n=rank): points for rank, points in enumerate(curves.memory_by_rank)}
    found = found or {t("Memory"): curves.points["memory"]}
    return {name: [(step, value / 2**30) for step, value in points] for name, points in found.items()}


def _table(series: Chart, log: bool):
    """Arrow: thirty thousand points as JSON would take longer than to read them."""
    import pyarrow as pa

    flat = [(name, step, value) for name, points in series.items() for step, value in points if value > 0 or not log]
    names, steps, values = zip(*flat, strict=True) if flat else ((), (), ())
    return pa.table(
        {
            "series": pa.array(names, pa.string()),
            "step": pa.array(steps, pa.int64()),
            "value": pa.array(values, pa.float64()),
        }
    )
