"""How well a knowledge base finds what is asked, and refuses what it does not hold: run an evaluation, read it, calibrate."""

import time
from pathlib import Path

import streamlit as st

from engine.knowledge import evaluation
from engine.knowledge.bases import Base
from engine.knowledge.evaluation import Evaluation
from engine.knowledge.questions import Question
from pages.chat.knowledge_check_results import results
from pages.data import uploads
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import duration

MOST = 2000
_EXAMPLE = """\
{"question": "How long does it fly?", "gold": "manual.md#1"}
{"question": "充电要多久？", "answer": "65分钟"}
{"question": "Who won the chess championship in 1986?", "gold": null}"""


def check_tab(base: Base) -> None:
    """The tab."""
    st.caption(
        t(
            "Questions with known answers are put to the search; no chat model takes part. It counts how high the right "
            "passage stands, and how well the score tells questions with an answer from those without."
        )
    )
    if not base.passages:
        st.info(t("Add documents first: there is nothing to find yet."), icon=":material/info:")
        return
    kept = evaluation.list_evaluations(base.id)
    place = st.container()
    with st.expander(
        t("New check"), expanded=not kept, icon=":material/play_arrow:", key=f"knowledge.check.new.{bool(kept)}"
    ):
        drawn, written = st.columns(2, gap="large")
        with drawn:
            questions = _drawn(base)
        with written:
            uploaded = _uploaded()
    chosen = questions or uploaded
    if chosen:
        with place:
            _run(base, *chosen)
    results(base, kept)


def _drawn(base: Base) -> tuple[list[Question], str] | None:
    st.markdown(f"**{t('Questions drawn from its passages')}**")
    count = st.number_input(
        t("Questions"),
        2,
        MOST,
        min(100, max(10, 2 * base.passages)),
        step=10,
        key=f"knowledge.check.count.{base.id}",
        help=t("More questions give steadier figures, and take longer."),
    )
    st.caption(
        t(
            "Half of them are asked with their passage left out, to see what is refused. They use the passages' own words, "
            "so people's questions are harder."
        )
    )
    if not st.button(t("Draw and run"), type="primary", icon=":material/casino:", key="knowledge.check.draw"):
        return None
    with frame.errors_shown():
        seed = int(time.time())
        return evaluation.draw_questions(base.id, int(count), seed), "drawn"
    return None


def _uploaded() -> tuple[list[Question], str] | None:
    st.markdown(f"**{t('Your own questions')}**")
    file = st.file_uploader(
        t("A JSON Lines file"),
        ["jsonl", "ndjson", "json", "txt"],
        key="knowledge.check.file",
        label_visibility="collapsed",
    )
    st.code(_EXAMPLE, language="json", wrap_lines=True)
    st.caption(
        t(
            "One question a line. “gold” is the key of the right passage, “answer” a text that the right passages contain; "
            "“gold”: null says that there is no answer."
        )
    )
    if (
        not st.button(t("Run"), icon=":material/play_arrow:", disabled=file is None, key="knowledge.check.run")
        or not file
    ):
        return None
    with frame.errors_shown():
        (path,) = uploads.on_disk([file], "knowledge.check")
        return evaluation.read_questions(Path(path), file.name), file.name
    return None


def _run(base: Base, questions: list[Question], source: str) -> None:
    """Ask them all; any click on the page ends it, and nothing is kept then."""
    bar = st.progress(0.0, t("getting ready …"))
    st.button(t("Stop"), icon=":material/stop_circle:", key="knowledge.check.stop")
    began = time.monotonic()
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last < 0.2 and done < total:
            return
        last = time.monotonic()
        words = t("{n} of {all} questions", n=done, all=total)
        if done and done < total:
            words += " · " + t("about {time} left", time=duration((last - began) / done * (total - done)))
        bar.progress(done / max(1, total), words)

    done: Evaluation | None = None
    with frame.errors_shown():
        done = evaluation.evaluate(base.id, questions, progress, source)
    if done:
        st.session_state[f"knowledge.check.shown.{base.id}"] = done.id
        st.rerun()
