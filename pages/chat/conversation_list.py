"""The saved conversations in the sidebar: search, open, rename, delete, begin a new one."""

import streamlit as st

from engine.chat import conversations
from engine.chat.conversations import Conversation
from engine.errors import BadInput
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t

SHOWN = 30


def current_conversation() -> Conversation:
    """The one in the address, else the last one used, else a new one."""
    asked = st.query_params.get("c", "")
    if asked.isdigit():
        try:
            conversation = conversations.get(person(), int(asked))
        except BadInput:
            st.query_params.pop("c")  # deleted, or somebody else's
        else:
            if conversations.KNOWLEDGE in conversation.settings:
                st.switch_page("pages/chat/knowledge.py", query_params={"c": asked})
            return conversation
    mine = conversations.find(person(), knowledge=False)
    conversation = mine[0] if mine else conversations.create(person())
    _open(conversation)
    return conversation


def conversation_list(current: Conversation, knowledge: bool = False) -> None:
    """The list; choosing one changes the address.

    Args:
        current: the one on the page.
        knowledge: list those about knowledge bases instead of the others.
    """
    with st.sidebar:
        st.button(
            t("New conversation"),
            icon=":material/add:",
            key="chat.new",
            width="stretch",
            on_click=_begin,
            args=(current.settings, knowledge),
        )
        words = st.text_input(
            t("Search"), key="chat.search", placeholder=t("Search conversations"), label_visibility="collapsed"
        )
        for conversation in conversations.find(person(), words, knowledge)[:SHOWN]:
            _entry(conversation, conversation.id == current.id)


def _entry(conversation: Conversation, is_current: bool) -> None:
    title = conversation.title or t("New conversation")
    opener, menu = st.columns([5, 1], vertical_alignment="center")
    opener.button(
        _plain(title),
        key=f"chat.open.{conversation.id}",
        type="secondary" if is_current else "tertiary",
        on_click=_open,
        args=(conversation,),
        width="stretch",
    )
    with menu.popover(" ", icon=":material/more_vert:", type="tertiary"):
        with st.form(f"rename.{conversation.id}", border=False):
            new_title = st.text_input(t("Title"), conversation.title, max_chars=80)
            if st.form_submit_button(t("Rename")):
                with errors_shown():
                    conversations.rename(person(), conversation.id, new_title)
                    st.rerun()
        st.button(
            t("Delete for good"),
            key=f"chat.delete.{conversation.id}",
            icon=":material/delete:",
            help=t("The conversation goes; feedback on its replies stays."),
            on_click=conversations.delete,
            args=(person(), conversation.id),
        )


def _begin(settings: dict, knowledge: bool) -> None:
    """A new conversation with the settings of the current one; an empty one is used again."""
    newest = conversations.find(person(), knowledge=knowledge)[:1]
    if newest and newest[0].leaf_id is None:
        if knowledge:  # an empty one may be about other bases
            conversations.save_settings(person(), newest[0].id, settings)
        _open(newest[0])
    else:
        _open(conversations.create(person(), settings=settings))


def _open(conversation: Conversation) -> None:
    st.query_params["c"] = str(conversation.id)


def _plain(title: str) -> str:
    """Button labels are Markdown: a title is shown as it was typed."""
    return "".join(f"\\{character}" if character in r"\`*_{}[]()<>#+-.!|$:~" else character for character in title)
