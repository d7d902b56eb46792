"""The flywheel on one picture: judgements, pairs, trainings, and how often the new adapters won, over the same days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import altair as alt
import streamlit as st

from engine.flywheel import Flywheel, flywheel
from pages.shared.frame import errors_shown
from pages.shared.i18n import t
from pages.shared.run_charts import COLORS

_HEIGHT = 90
_SPAN = timedelta(days=7)
"""The time axis shows so much at least: a single day is no picture."""
_NAME = 20
"""Characters of an adapter's name in the picture."""


def flywheel_chart() -> None:
    """The picture; where nothing has happened yet, what will be on it."""
    with errors_shown():
        found = flywheel()
        if not found.days and not found.rates:
            _empty()
            return
        st.caption(
            t("Judgements become pairs, pairs train adapters, and people say whether they got better. Days are UTC.")
        )
        st.altair_chart(_chart(found), width="stretch", alt=_in_words(found), key="flywheel.chart")


def _empty() -> None:
    with st.container(border=True):
        st.markdown(f"**{t('The flywheel has not begun to turn')}**")
        st.markdown(
            t(
                "Rate replies in the chat, make pairs of the judgements, train on them, and ask people in a blind comparison "
                "whether the new adapter is better. Each of it shows here, day by day."
            )
        )
        st.page_link("pages/chat/chat.py", label=t("Chat and rate"), icon=":material/forum:")


def _chart(found: Flywheel) -> alt.VConcatChart:
    """Panels one above the other over one time axis; Streamlit makes each as wide as the page."""
    begin, end = _span(found)
    counts = {
        t("Judgements"): {day.day: day.feedback for day in found.days},
        t("Pairs"): {day.day: day.pairs for day in found.days},
        t("Finished trainings"): {day.day: day.runs for day in found.days},
    }
    scale = alt.Scale(domain=[_moment(begin), _moment(end)], type="utc")
    panels = [
        _count(title, {**by_day, end: [0, *by_day.values()][-1]}, color, scale)
        for (title, by_day), color in zip(counts.items(), COLORS[:3], strict=True)
    ]
    return alt.vconcat(*panels, _rates(found, begin, end, scale), spacing=14, padding=0)


def _span(found: Flywheel) -> tuple[date, date]:
    """First and last day of the time axis: until today, and no shorter than `_SPAN`."""
    days = [day.day for day in found.days] + [rate.day for rate in found.rates]
    end = max(*days, datetime.now(UTC).date()) + timedelta(days=1)
    return min(*days, end - _SPAN), end


def _count(title: str, by_day: dict[date, int], color: str, scale: alt.Scale) -> alt.Chart:
    rows = [{"day": _moment(day), "n": number} for day, number in by_day.items()]
    return (
        alt.Chart(alt.Data(values=rows), height=_HEIGHT, title=_title(title))
        .mark_area(interpolate="step-after", line={"color": color}, color=color, fillOpacity=0.25)
        .encode(
            x=alt.X("day:T", title=None, scale=scale, axis=alt.Axis(labels=False, ticks=False)),
            y=alt.Y(
                "n:Q",
                title=None,
                scale=alt.Scale(domain=[0, max(1, *by_day.values())]),
                axis=_inside(tickMinStep=1, tickCount=3, format="~s"),
            ),
            tooltip=[_day(), alt.Tooltip("n:Q", title=title, format=",")],
        )
    )


def _rates(found: Flywheel, begin: date, end: date, scale: alt.Scale) -> alt.LayerChart:
    """A dot with its interval for each comparison; beside each other where people and the reward judged on one day."""
    judges = {"people": t("people"), "reward": t("reward")}
    beside = {"people": timedelta(0), "reward": (end - begin) / 80}
    rows = [
        {
            **{"at": _moment(rate.day, beside[rate.judge]), "day": _moment(rate.day), "judge": judges[rate.judge]},
            **{"adapter": _short(rate.adapter), "n": rate.n, "rate": rate.rate, "low": rate.low, "high": rate.high},
        }
        for rate in found.rates
    ]
    share, axis = alt.Scale(domain=[0, 1]), _inside(format="%", values=[0, 0.5, 1])
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("at:T", title=None, scale=scale, axis=alt.Axis(format="%m-%d", labelOverlap=True, tickCount=5)),
        color=alt.Color(
            "judge:N",
            scale=alt.Scale(domain=[*judges.values()], range=[COLORS[6], COLORS[4]]),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
        tooltip=_about(),
    )
    half = alt.Chart(alt.Data(values=[{"y": 0.5}])).mark_rule(strokeDash=[4, 4], color="gray").encode(y="y:Q")
    bars = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=None, scale=share, axis=axis), y2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=alt.Y("rate:Q", title=None, scale=share, axis=axis)
    )
    title = _title(t("Win rate of new adapters, with 95 % interval"))
    return alt.LayerChart(layer=[half, bars, dots], height=_HEIGHT + 40, title=title)


def _inside(**more: Any) -> alt.Axis:
    """Numbers within the plot: Streamlit gives each panel the whole width of the page, and nothing is left beside it."""
    place = {"labelAlign": "left", "labelBaseline": "bottom", "labelPadding": 0, "labelOffset": -2, "maxExtent": 0}
    return alt.Axis(ticks=False, domain=False, zindex=1, **place, **more)


def _about() -> list[alt.Tooltip]:
    shares = {"rate": t("win rate"), "low": t("at least"), "high": t("at most")}
    return [
        _day(),
        alt.Tooltip("adapter:N", title=t("adapter")),
        alt.Tooltip("judge:N", title=t("judged by")),
        *(alt.Tooltip(f"{name}:Q", title=title, format=".0%") for name, title in shares.items()),
        alt.Tooltip("n:Q", title=t("prompts")),
    ]


def _day() -> alt.Tooltip:
    return alt.Tooltip("utcyearmonthdate(day):T", title=t("Day"), format="%Y-%m-%d")


def _title(words: str) -> alt.TitleParams:
    return alt.TitleParams(words, anchor="start", fontSize=13, offset=6)


def _in_words(found: Flywheel) -> str:
    """What the picture shows, for those who do not see it."""
    last = found.days[-1] if found.days else None
    words = t(
        "Judgements: {feedback}, pairs: {pairs}, finished trainings: {runs}.",
        feedback=last.feedback if last else 0,
        pairs=last.pairs if last else 0,
        runs=last.runs if last else 0,
    )
    by_people = [rate for rate in found.rates if rate.judge == "people"]
    if by_people:
        newest = by_people[-1]
        words += " " + t(
            "In the newest blind comparison {adapter} won {rate} of {n} prompts.",
            adapter=_short(newest.adapter),
            rate=f"{newest.rate:.0%}",
            n=newest.n,
        )
    return words


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _moment(day: date, later: timedelta = timedelta(0)) -> str:
    """The beginning of a day, or a little later, as Vega reads it."""
    return (datetime.combine(day, time(), UTC) + later).isoformat()
