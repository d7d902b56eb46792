"""Samples of one run: for each fixed prompt, how the reply, or the picture, changed over the steps."""

import streamlit as st

from engine.runs import Run
from engine.runs.picture_samples import PictureSample, picture_steps, read_pictures
from engine.runs.samples import Sample, read_samples, sample_steps
from pages.shared.i18n import t

MOST_STEPS = 4
MOST_PICTURE_STEPS = 6


def run_samples(run: Run) -> None:
    """The replies to each prompt, the newest on top and the first one last; nothing if there are none."""
    steps = _chosen(sample_steps(run), MOST_STEPS)
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


def run_pictures(run: Run) -> None:
    """A row of pictures for each prompt and seed, the first step on the left; nothing if there are none."""
    steps = _chosen(picture_steps(run), MOST_PICTURE_STEPS)
    if not steps:
        return
    with st.expander(t("Sample pictures"), expanded=True, icon=":material/image:", key=f"run.{run.id}.pictures"):
        drawn: dict[tuple[str, int], list[tuple[int, PictureSample]]] = {}
        for step in steps:
            for sample in read_pictures(run, step):
                drawn.setdefault((sample.prompt, sample.seed), []).append((step, sample))
        for (prompt, _), pictures in drawn.items():
            with st.container(border=True, gap="small"):
                st.text(prompt, width="stretch")
                with st.grid(MOST_PICTURE_STEPS, min_column_width=110):
                    for step, sample in pictures:
                        with st.container(gap=None):
                            st.image(sample.file.read_bytes(), width="stretch")
                            st.caption(t("step {n}", n=f"{step:,}"))


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


def _chosen(steps: list[int], most: int) -> list[int]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(steps) <= most:
        return steps
    return [steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most)]
