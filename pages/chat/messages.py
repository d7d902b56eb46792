"""One message of the chat: its text, its versions, and what can be done with it."""

from typing import Any

import streamlit as st

from engine.chat import conversations, judgements
from engine.chat.conversations import Message
from engine.chat.json_text import find_json
from engine.feedback.schema import Feedback
from pages.shared.feedback_bar import feedback_bar
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.text import harmless

TO_ANSWER = "chat.to_answer"  # id of the message that the next run of the page answers


def user_message(message: Message) -> None:
    """What the person asked."""
    with st.chat_message("user"):
        st.markdown(harmless(message.content))
        with st.container(horizontal=True, vertical_alignment="center"):
            versions(message)
            if st.button(
                t("Edit"),
                key=f"edit.{message.id}",
                icon=":material/edit:",
                type="tertiary",
                help=t("Edit and ask again"),
            ):
                st.dialog(t("Edit and ask again"), width="medium")(_edit_question)(message)


def assistant_message(line: list[Message], message: Message, given: Feedback | None) -> None:
    """A reply, with the feedback bar and its actions."""
    with st.chat_message("assistant"):
        reply_text(message)
        st.caption(described(message))
        if not message.content.strip():
            return
        if given and given.correction:
            st.info(harmless(given.correction), icon=":material/edit_note:")
        with st.container(horizontal=True, vertical_alignment="center"):
            feedback_bar(line, message, given)
            versions(message)
            answer_again_button(message)
            if st.button(t("Edit"), key=f"edit.{message.id}", icon=":material/edit:", type="tertiary"):
                st.dialog(t("Put your own words in its place"), width="medium")(_edit_reply)(line, message)
            if _can_be_kept(message):
                st.button(
                    t("Keep this one"),
                    key=f"keep.{message.id}",
                    icon=":material/bookmark:",
                    type="tertiary",
                    help=t("Records that you prefer this version to the others. Going on from it does the same."),
                    on_click=judgements.keep,
                    args=(person(), line, message),
                )


def reply_text(message: Message) -> None:
    """The words of a reply, JSON in it parsed beside them, and what went wrong if something did."""
    value = find_json(message.content)
    if value is None:
        st.markdown(harmless(message.content))
    else:
        words, parsed = st.columns(2)
        words.markdown(harmless(message.content))
        parsed.json(value)
    if error := message.meta.get("error"):
        st.error(t(error, **message.meta.get("error_values", {})), icon=":material/error:")


def described(message: Message, name: bool = True) -> str:
    """One line: who answered, how fast, with which seed."""
    meta = message.meta
    parts = []
    if name:
        parts.append(speaker_name(meta))
    if tokens := meta.get("tokens"):
        speed = tokens / meta["seconds"] if meta.get("seconds") else 0.0
        parts.append(t("{tokens} tokens, {speed} a second", tokens=tokens, speed=f"{speed:.1f}"))
        parts.append(t("seed {seed}", seed=meta["sampling"]["seed"]))
    if meta.get("edited"):
        parts.append(t("edited by you"))
    elif meta.get("finish_reason") == "cancelled":
        parts.append(t("stopped"))
    elif meta.get("finish_reason") == "length":
        parts.append(t("cut at the longest length"))
    return " · ".join(harmless(part) for part in parts)


def speaker_name(meta: dict[str, Any]) -> str:
    """`model`, or `model + adapter`."""
    return f"{meta.get('model')} + {meta['adapter']}" if meta.get("adapter") else str(meta.get("model", ""))


def _can_be_kept(message: Message) -> bool:
    others = set(message.versions) - {message.id} - set(message.meta.get("kept_over", []))
    return bool(others) and message.meta.get("pair") is None


def versions(message: Message) -> None:
    """The arrows between the versions of a message; nothing if there is one alone."""
    if len(message.versions) < 2:
        return
    at = message.versions.index(message.id)
    for step, icon, label in (
        (-1, ":material/chevron_left:", t("Previous version")),
        (1, ":material/chevron_right:", t("Next version")),
    ):
        if step == 1:
            st.caption(f"{at + 1}/{len(message.versions)}", width="content")
        other = at + step
        st.button(
            " ",
            key=f"version.{step}.{message.id}",
            icon=icon,
            type="tertiary",
            help=label,
            disabled=not 0 <= other < len(message.versions),
            on_click=conversations.select_version,
            args=(person(), message.versions[max(0, min(other, len(message.versions) - 1))]),
        )


def answer_again_button(message: Message) -> None:
    """Asks for another version of a reply."""
    st.button(
        t("Regenerate"),
        key=f"regenerate.{message.id}",
        icon=":material/refresh:",
        type="tertiary",
        on_click=_answer_again,
        args=(message,),
    )


def _answer_again(message: Message) -> None:
    st.session_state[TO_ANSWER] = message.parent_id


def _edit_question(message: Message) -> None:
    text = st.text_area(t("Your message"), message.content, key=f"edit_text.{message.id}", height=150)
    if st.button(t("Ask"), type="primary", key=f"edit_save.{message.id}") and _changed(text, message):
        with errors_shown():
            edited = conversations.add_message(person(), message.conversation_id, "user", text, message.parent_id)
            st.session_state[TO_ANSWER] = edited.id
            st.rerun()


def _edit_reply(line: list[Message], message: Message) -> None:
    st.caption(t("Your version is kept beside the model's, and recorded as better."))
    text = st.text_area(t("Reply"), message.content, key=f"edit_text.{message.id}", height=250)
    if st.button(t("Save"), type="primary", key=f"edit_save.{message.id}") and _changed(text, message):
        with errors_shown():
            judgements.edit_reply(person(), line, message, text)
            st.rerun()


def _changed(text: str, message: Message) -> bool:
    """Whether there is a new text; says so if there is none. (A button that waits for a change would eat the first click.)"""
    if text.strip() in ("", message.content.strip()):
        st.warning(t("Nothing has changed yet."))
        return False
    return True
