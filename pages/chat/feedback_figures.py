"""Counts over time, by person and by adapter, and how far people agree. All of it about the rows that match the filter."""

import streamlit as st

from engine.feedback.stats import Agreement, Summary, Tally, agreement, summarise
from engine.feedback.store import FeedbackFilter, count, find
from pages.shared.i18n import t

_COLOURS = ["#14b8a6", "#f0716a", "#94a3b8"]
"""Good, bad, neither; told apart by the colour-blind, on light and on dark."""
_NAME = 24
"""Characters of a name that a table shows."""


def show(filters: FeedbackFilter) -> None:
    """The figures; what was edited in the last half minute may be missing."""
    with st.spinner(t("Counting…"), show_time=False):
        summary, verdicts, ratings = _figures(filters, count(filters))
    total = summary.total
    if not total.rows:
        st.info(t("No judgement matches this filter."), icon=":material/filter_alt:")
        return
    with st.grid(4, min_column_width=140):
        st.metric(t("Judgements"), f"{total.rows:,}", border=True)
        st.metric(t("Good, of all verdicts"), _share(total), border=True)
        st.metric(t("Comparisons"), f"{summary.kinds.get('comparison', 0):,}", border=True)
        st.metric(t("People"), f"{len(summary.annotators):,}", border=True)
    st.subheader(t("Over time"))
    _over_time(summary)
    people, adapters = st.columns(2, gap="medium")
    with people:
        st.subheader(t("By person"))
        _table(summary.annotators, t("Person"), "feedback.by_person")
    with adapters:
        st.subheader(t("By adapter"))
        named = {name or t("none (the base model)"): tally for name, tally in summary.adapters.items()}
        _table(named, t("Adapter"), "feedback.by_adapter")
    st.subheader(t("Do people agree?"))
    left, right = st.columns(2, gap="medium")
    with left:
        _agreement(t("Good or bad"), verdicts)
    with right:
        _agreement(t("Stars"), ratings)


@st.cache_data(ttl=30, max_entries=20, show_spinner=False)
def _figures(filters: FeedbackFilter, found: int) -> tuple[Summary, Agreement, Agreement]:
    """Kept for half a minute, and counted anew when `found`, the number of rows, changes."""
    rows = find(filters)
    return summarise(rows), agreement(rows, "verdict"), agreement(rows, "rating")


def _over_time(summary: Summary) -> None:
    import altair
    import pandas

    names = {"good": t("Good"), "bad": t("Bad"), "neither": t("No verdict")}
    numbers = [
        {"day": day, "number": number, "verdict": names[verdict]}
        for day, tally in summary.days.items()
        for verdict, number in _split(tally).items()
    ]
    data = pandas.DataFrame(numbers).astype({"day": "datetime64[ns]"})
    end = data["day"].max() + pandas.Timedelta(days=1)
    begin = min(data["day"].min(), end - pandas.Timedelta(days=14))  # a single day is no wall of colour
    chart = (
        altair.Chart(data)
        .mark_bar()
        .encode(
            x=altair.X(
                "yearmonthdate(day):T",
                title=None,
                axis=altair.Axis(format="%m-%d", labelOverlap=True),
                scale=altair.Scale(domain=[begin.isoformat(), end.isoformat()]),
            ),
            y=altair.Y("number:Q", title=t("Judgements a day (UTC)"), axis=altair.Axis(tickMinStep=1)),
            color=altair.Color(
                "verdict:N",
                title=None,
                scale=altair.Scale(domain=list(names.values()), range=_COLOURS),
                legend=altair.Legend(orient="bottom"),
            ),
            tooltip=[
                altair.Tooltip("yearmonthdate(day):T", title=t("Day"), format="%Y-%m-%d"),
                altair.Tooltip("verdict:N", title=t("Verdict")),
                altair.Tooltip("number:Q", title=t("Judgements")),
            ],
        )
        .properties(height=260)
    )
    st.altair_chart(chart, key="feedback.over_time")


def _split(tally: Tally) -> dict[str, int]:
    return {"good": tally.good, "bad": tally.bad, "neither": tally.rows - tally.good - tally.bad}


def _table(tallies: dict[str, Tally], title: str, key: str) -> None:
    ordered = sorted(tallies.items(), key=lambda item: -item[1].rows)
    shares = [tally.good_share for _, tally in ordered]
    number, good = t("Number"), t("Good")
    st.dataframe(
        {
            title: [name if len(name) <= _NAME else name[: _NAME - 1] + "…" for name, _ in ordered],
            number: [tally.rows for _, tally in ordered],
            good: [None if share is None else 100 * share for share in shares],
        },
        column_config={
            number: st.column_config.NumberColumn(width="small"),
            good: st.column_config.ProgressColumn(
                format="%.0f%%", min_value=0, max_value=100, help=t("Of the verdicts, how many are good.")
            ),
        },
        hide_index=True,
        height="content" if len(ordered) <= 10 else 388,
        key=key,
    )


def _agreement(title: str, found: Agreement) -> None:
    with st.container(border=True, height="stretch"):
        st.metric(
            title,
            "–" if found.alpha is None else f"{found.alpha:.2f}",
            help=t(
                "Krippendorff's alpha: 1 means that people always agree about the same reply, 0 that they agree no more "
                "than by chance, below 0 that they contradict each other."
            ),
        )
        st.markdown(_meaning(found))
        if found.replies:
            st.caption(
                t(
                    "Replies that at least two people judged: {replies}. People among them: {people}.",
                    replies=found.replies,
                    people=found.annotators,
                )
            )


def _meaning(found: Agreement) -> str:
    # the limits are Krippendorff's own: reliable from 0.8, tentative from 2/3
    alpha = found.alpha
    if not found.replies:
        return t("Nobody has judged a reply that somebody else judged too, so agreement cannot be told yet.")
    if alpha is None:
        return t("All shared judgements are the same, so agreement cannot be told from habit yet.")
    if alpha >= 0.8:
        return t("People see the same replies alike: you can train on their judgements with confidence.")
    if alpha >= 2 / 3:
        return t("People mostly agree: fit to train on, and worth talking about the replies they see differently.")
    if alpha > 0.1:
        return t("People agree only in part: settle together what a good reply is before you train on this.")
    return t("People agree no more than by chance: training on this would teach the model noise.")


def _share(tally: Tally) -> str:
    return "–" if tally.good_share is None else f"{tally.good_share:.0%}"
