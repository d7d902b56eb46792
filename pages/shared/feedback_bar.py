"""Thumbs, stars and a correction under a reply. Each is in the database before the page says thanks."""

import streamlit as st

from engine.chat import judgements
from engine.chat.conversations import Message
from engine.feedback.schema import Feedback
from pages.shared.drafts import Form
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t

TAGS = ("wrong", "incomplete", "off topic", "too long", "too short", "unsafe", "well written")


def feedback_bar(line: list[Message], message: Message, given: Feedback | None) -> None:
    """The bar under one reply.

    Args:
        line: the active path the reply is on.
        message: the reply.
        given: what this person has said of it already.
    """
    thumbs, stars = f"thumbs.{message.id}", f"stars.{message.id}"
    verdict = {"good": 1, "bad": 0}.get(given.verdict or "") if given else None
    st.feedback("thumbs", key=thumbs, default=verdict, on_change=_save_thumbs, args=(line, message, thumbs))
    rating = given.rating - 1 if given and given.rating else None  # the widget counts from 0
    st.feedback("stars", key=stars, default=rating, on_change=_save_stars, args=(line, message, stars))
    if st.button(
        t("Correct"),
        key=f"correct.{message.id}",
        icon=":material/edit_note:",
        type="tertiary",
        help=t("Write the reply as it should have been, tag it, comment on it."),
    ):
        st.dialog(t("What should it have said?"), width="medium")(_correction)(line, message, given)
    if given:
        said = t("Corrected, thank you") if given.correction else t("Saved, thank you")
        st.caption(f":material/check: {said}", width="content")


def _save_thumbs(line: list[Message], message: Message, key: str) -> None:
    value = st.session_state[key]
    with errors_shown():
        judgements.rate(person(), line, message, verdict=None if value is None else ("bad", "good")[value])


def _save_stars(line: list[Message], message: Message, key: str) -> None:
    value = st.session_state[key]
    with errors_shown():
        judgements.rate(person(), line, message, rating=None if value is None else value + 1)


def _correction(line: list[Message], message: Message, given: Feedback | None) -> None:
    form = Form(
        f"correction.{message.id}",
        {
            "correction": (given and given.correction) or message.content,
            "tags": given.tags if given else [],
            "comment": (given and given.comment) or "",
        },
    )
    st.text_area(t("The reply as it should have been"), key=form.key("correction"), height=200, on_change=form.save)
    st.multiselect(
        t("Tags"), TAGS, key=form.key("tags"), accept_new_options=True, format_func=_tag_label, on_change=form.save
    )
    st.text_input(t("Comment"), key=form.key("comment"), on_change=form.save)
    if not st.button(t("Save"), type="primary", key=f"save_correction.{message.id}"):
        return
    values = form.values()
    if values == form.defaults:
        st.warning(t("Nothing has changed yet."))
        return
    changed = values["correction"].strip() != message.content.strip()
    with errors_shown():
        judgements.rate(
            person(),
            line,
            message,
            correction=values["correction"].strip() if changed else None,
            tags=values["tags"],
            comment=values["comment"].strip() or None,
        )
        form.clear()
        st.rerun()


def _tag_label(tag: str) -> str:
    labels = {
        "wrong": t("wrong"),
        "incomplete": t("incomplete"),
        "off topic": t("off topic"),
        "too long": t("too long"),
        "too short": t("too short"),
        "unsafe": t("unsafe"),
        "well written": t("well written"),
    }
    return labels.get(tag, tag)
