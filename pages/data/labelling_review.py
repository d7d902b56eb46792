"""What a reviewer has before them: the prompt, the answers side by side, and accept, change or send back."""

import streamlit as st

from engine.labelling import review
from engine.labelling.review import Review
from engine.labelling.schema import Assignment, Queue
from pages.data.labelling_desk import show_prompt
from pages.data.labelling_draft import made_by
from pages.data.labelling_keys import keep_while_typing
from pages.shared.drafts import Form
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless


def review_panel(queue: Queue) -> None:
    """The task that waits for this person."""
    found = review.take(queue.id, person())
    if found is None:
        with st.container(border=True, key="labelling.reviewed"):
            st.subheader(t("Nothing waits for your review"))
            st.markdown(t("Answers appear here once somebody else has written all that a prompt needs."))
        return
    _prompt(found)
    alone = len(found.answers) == 1
    for column, answer in zip(st.columns(len(found.answers)), found.answers, strict=True):
        with column:
            _answer(answer, alone)
    st.button(
        t("Leave it to others"),
        icon=":material/skip_next:",
        type="tertiary",
        key="labelling.leave",
        shortcut="Ctrl+Shift+Enter",
        on_click=review.leave,
        args=(found.task.id, person()),
    )
    keep_while_typing(_form(found.answers[0]).key("output"))


def _prompt(found: Review) -> None:
    show_prompt(found.task, found.task.instruction, found.task.input)
    if found.task.reference:
        with st.expander(t("An answer that is known already"), icon=":material/lightbulb:"):
            st.markdown(harmless(found.task.reference))


def _answer(answer: Assignment, alone: bool) -> None:
    form = _form(answer)
    st.caption(f"**{literal(answer.annotator, 60)}**")
    for label, words in ((t("Instruction"), answer.instruction), (t("Input (optional)"), answer.input)):
        if words is not None:
            st.markdown(f"**{label}**  \n{harmless(words)}")
    st.text_area(t("Output"), key=form.key("output"), height=180, on_change=form.save)
    if about := _about(answer):
        st.caption(about)
    with st.container(horizontal=True):
        st.button(
            t("Accept"),
            type="primary" if alone else "secondary",
            icon=":material/check:",
            key=f"labelling.accept.{answer.id}",
            shortcut="Ctrl+Enter" if alone else None,
            on_click=_accept,
            args=(answer, form),
        )
        if st.button(t("Send back"), icon=":material/reply:", key=f"labelling.return.{answer.id}"):
            st.dialog(t("What should be different?"))(_send_back)(answer)


def _about(answer: Assignment) -> str:
    words = []
    if answer.draft_by:
        share = f"{answer.edited or 0:.0%}"
        words.append(t("drafted by {model}, {share} changed", model=harmless(made_by(answer)), share=share))
    if answer.comment:
        words.append(t("was sent back: {comment}", comment=harmless(answer.comment)))
    return " · ".join(words)


def _form(answer: Assignment) -> Form:
    """A fresh one each time the author has saved."""
    saved = answer.saved.timestamp() if answer.saved else 0
    return Form(f"labelling.review.{answer.id}.{saved:.0f}", {"output": answer.output})


def _accept(answer: Assignment, form: Form) -> None:
    with errors_shown():
        review.accept(answer.id, person(), form.values()["output"])
        form.clear()


def _send_back(answer: Assignment) -> None:
    st.text_area(
        t("Comment"),
        key=f"labelling.comment.{answer.id}",
        placeholder=t("{name} gets it back with these words, before any other prompt.", name=answer.annotator),
    )
    if st.button(t("Send back"), type="primary", key=f"labelling.comment.send.{answer.id}"):
        with errors_shown():
            review.send_back(answer.id, person(), st.session_state[f"labelling.comment.{answer.id}"])
            st.rerun()
