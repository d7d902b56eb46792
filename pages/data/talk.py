"""One row of a dataset as people read it: turns, and for judged replies which was the better one."""

import streamlit as st

from engine.data.records import Conversation, Message, Preference, Record
from pages.shared.i18n import t
from pages.shared.text import harmless


def asked(row: Record) -> str:
    """What the person asked first."""
    messages = row.messages if isinstance(row, Conversation) else row.prompt
    return next((message.content for message in messages if message.role == "user"), "")


def talk(row: Record) -> None:
    """A row as a conversation; both sides of a pair beside each other."""
    if isinstance(row, Conversation):
        _turns(row.messages)
        return
    _turns(row.prompt)
    if isinstance(row, Preference):
        better, worse = st.columns(2)
        with better:
            st.badge(t("better"), color="green", icon=":material/thumb_up:")
            _turns(row.chosen)
        with worse:
            st.badge(t("worse"), color="red", icon=":material/thumb_down:")
            _turns(row.rejected)
        return
    if row.label:
        st.badge(t("good"), color="green", icon=":material/thumb_up:")
    else:
        st.badge(t("bad"), color="red", icon=":material/thumb_down:")
    _turns(row.completion)


def _turns(messages: list[Message]) -> None:
    icons = {"system": ":material/settings:", "user": ":material/person:", "assistant": ":material/smart_toy:"}
    for message in messages:
        with st.chat_message(message.role, avatar=icons[message.role]):
            st.markdown(harmless(message.content))
