"""What a comparison of two adapters found: who won how often, how sure that is, and the answers, the worst losses first."""

import streamlit as st

from engine.runs import Run
from engine.runs.answers import read_answers
from engine.training.win_rate import worst_first
from pages.shared.i18n import t
from pages.shared.labels import literal

A_PAGE = 5


def win_rate_figures(result: dict) -> None:
    """The figures, with what they mean."""
    rate, accuracy = result["win_rate"], result["preference_accuracy"]
    numbers = {}
    if rate:
        numbers[t("Win rate")] = f"{rate['rate']:.0%}"
        numbers[t("With equal lengths")] = f"{result['length_controlled']:.0%}"
        numbers[t("Lost prompts")] = f"{result['regressions']} / {result['prompts']}"
    if accuracy:
        numbers[t("Prefers the chosen reply")] = f"{accuracy['before']:.0%} → {accuracy['after']:.0%}"
    length = result["mean_length"]
    numbers[t("Characters of an answer")] = f"{length['before']:.0f} → {length['after']:.0f}"
    with st.container(horizontal=True, gap="large"):
        for label, value in numbers.items():
            st.metric(label, value, width="content")
    st.caption(_words(result))


def win_rate_panel(run: Run) -> None:
    """All of a comparison's run."""
    if result := run.status().result:
        win_rate_figures(result)
    win_rate_answers(run)


@st.fragment
def win_rate_answers(run: Run) -> None:
    """The answers side by side."""
    answers = worst_first(read_answers(run))
    if not answers:
        return
    st.subheader(t("Answers, the worst losses first"), anchor=False)
    pages = -(-len(answers) // A_PAGE)
    page = st.pagination(pages, key=f"winrate.{run.id}.page") if pages > 1 else 1
    start = (page - 1) * A_PAGE
    for number, answer in enumerate(answers[start : start + A_PAGE], start):
        with st.container(border=True, gap="small", key=f"winrate.{run.id}.{number}"):
            st.text(answer["prompt"][-1]["content"])
            for column, side, title in zip(st.columns(2), ("before", "after"), (t("Before"), t("After")), strict=True):
                with column:
                    rewards = answer["rewards"]
                    st.caption(t("{side} · reward {n}", side=title, n=f"{rewards[side]:.2f}") if rewards else title)
                    st.text(answer[side] or "–")


def _words(result: dict) -> str:
    rate = result["win_rate"]
    against = literal(result["against"]) if result["against"] else t("the base model")
    if not rate:
        return t(
            "Compared with {against} on {n} prompts kept aside; no reward judged the answers.",
            against=against,
            n=result["prompts"],
        )
    interval = {"low": f"{rate['low']:.0%}", "high": f"{rate['high']:.0%}"}
    return t(
        "Against {against}, judged by {judge}, on {n} prompts kept aside: with 95 % certainty between {low} and {high}.",
        against=against,
        judge=literal(result["reward"]),
        n=result["prompts"],
        **interval,
    )
