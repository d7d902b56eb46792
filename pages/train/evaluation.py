"""What an evaluation found: the figures of base and adapter beside each other, and their answers. And the button that starts one."""

import streamlit as st

from engine.jobs.evaluation import start_evaluation
from engine.runs import Run
from engine.runs.answers import read_answers
from engine.training.evaluation_specs import EvaluateSpec
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal

A_PAGE = 5
LOW_IS_BETTER = ("loss", "perplexity")


def evaluate_button(adapter: str) -> None:
    """Start measuring an adapter on what was kept aside, and go where its progress is shown."""
    hint = t("Loss and answers of base and adapter on the conversations that were kept aside.")
    if st.button(t("Evaluate"), icon=":material/monitoring:", key="evaluation.start", help=hint):
        with frame.errors_shown():
            run = start_evaluation(EvaluateSpec(adapter=adapter))
            st.switch_page("pages/train/runs.py", query_params={"run": run.id})


def evaluation_panel(run: Run) -> None:
    """The figures, once they are there, and the answers as they come."""
    result = run.status().result
    if result:
        _figures(result)
    _answers(run)


def _figures(result: dict) -> None:
    base, adapter = result["figures"]["base"], result["figures"]["adapter"]
    names = [name for name in titles() if name in base]
    st.table(
        {
            t("Measure"): [titles()[name] for name in names],
            t("Base"): [value(name, base[name], adapter[name]) for name in names],
            literal(result["adapter"]): [value(name, adapter[name], base[name]) for name in names],
        },
        hide_index=True,
    )
    st.caption(_measured_on(result))


def titles() -> dict[str, str]:
    """What each figure is called, in the order in which they are shown."""
    return {
        "loss": t("Loss (lower is better)"),
        "perplexity": t("Perplexity (lower is better)"),
        "bleu": t("BLEU, of 100"),
        "rouge_1": t("ROUGE-1, of 100"),
        "rouge_2": t("ROUGE-2, of 100"),
        "rouge_l": t("ROUGE-L, of 100"),
        "exact_match": t("Exactly the reference, %"),
    }


def value(name: str, value: float | None, other: float | None) -> str:
    """A figure, in bold if it is the better one."""
    if value is None:
        return "–"
    shown = f"{value:.4f}" if name == "loss" else f"{value:,.2f}"
    better = other is None or (value < other if name in LOW_IS_BETTER else value > other)
    return f"**{shown}**" if better else shown


def _measured_on(result: dict) -> str:
    numbers = {
        "rows": f"{result['rows']:,}",
        "answers": f"{result['answers']:,}",
        "dataset": literal(result["dataset"]),
    }
    if result["held_out"]:
        return t("Loss on {rows} rows kept aside of {dataset}, scores on {answers} answers. Bold is better.", **numbers)
    return t("Loss on {rows} rows of {dataset}, scores on {answers} answers. Bold is better.", **numbers)


@st.fragment
def _answers(run: Run) -> None:
    answers = read_answers(run)
    if not answers:
        return
    st.subheader(t("Answers"), anchor=False)
    pages = -(-len(answers) // A_PAGE)
    page = st.pagination(pages, key=f"evaluation.{run.id}.page") if pages > 1 else 1
    for answer in answers[(page - 1) * A_PAGE : page * A_PAGE]:
        with st.container(border=True, gap="small", key=f"evaluation.{run.id}.{answer['row']}"):
            _answer(answer)


def _answer(answer: dict) -> None:
    """One question, its reference, and what base and adapter said, letter for letter."""
    st.caption(t("Row {n}", n=f"{answer['row']:,}"))
    st.text(answer["prompt"][-1]["content"])
    replies = {"reference": t("Reference"), "base": t("Base"), "adapter": t("Adapter")}
    for column, (name, title) in zip(st.columns(3), replies.items(), strict=True):
        with column:
            score = answer["scores"].get(name)
            st.caption(title if score is None else t("{side} · ROUGE-L {n}", side=title, n=f"{score['rouge_l']:.0f}"))
            st.text(answer[name].strip() or "–")
