"""Sample answers of one run: for each fixed prompt, how the reply changed over the steps."""

import streamlit as st

from engine.runs import Run
from engine.runs.samples import Sample, read_samples, sample_steps
from pages.shared.i18n import t

MOST_STEPS = 4


def run_samples(run: Run) -> None:
    """The replies to each prompt, the newest on top and the first one last; nothing if there are none."""
    steps = _chosen(sample_steps(run))
    if not steps:
        return
    with st.expander(t("Sample answers"), expanded=True, icon=":material/chat:", key=f"run.{run.id}.samples"):
        answers: dict[str, list[tuple[int, Sample]]] = {}
        for step in reversed(steps):
            for sample in read_samples(run, step):
                answers.setdefault(sample.question, []).append((step, sample))
        for question, replies in answers.items():
            with st.container(border=True, gap="small"):
                question_text(question)
                for step, sample in replies:
                    reply(t("step {n}", n=f"{step:,}"), sample)


def question_text(words: str) -> None:
    """What was asked, letter for letter."""
    with st.container(horizontal=True, gap="small"):
        st.markdown(":material/person:", width="content")
        st.text(words, width="stretch")


def reply(label: str, sample: Sample) -> None:
    """What the model answered, letter for letter, under a label of ours or one made harmless."""
    with st.container(gap=None):
        st.caption(label)
        st.text(sample.reply or "–", width="stretch")


def _chosen(steps: list[int]) -> list[int]:
    """At most `MOST_STEPS` of them, evenly, the first and the last among them."""
    if len(steps) <= MOST_STEPS:
        return steps
    return [steps[round(place * (len(steps) - 1) / (MOST_STEPS - 1))] for place in range(MOST_STEPS)]
