"""Looking through a dataset's rows: page by page, each as a conversation, as the model sees it, or as it lies on disk."""

import streamlit as st

from engine.data import registry
from engine.data.records import Conversation, Message, Preference, Record
from engine.data.registry import Card
from pages.data.preview import as_the_model_sees_it, choose_model
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

A_PAGE = 10


@st.fragment
def browse(card: Card) -> None:
    """The tab."""
    views = {"talk": t("Conversation"), "model": t("As the model sees it"), "json": t("JSON")}
    view = st.segmented_control(
        t("Show each row as"),
        views,
        format_func=views.__getitem__,
        default="talk",
        required=True,
        key="datasets.view",
        label_visibility="collapsed",
    )
    with frame.errors_shown():
        tokenizer = choose_model() if view == "model" else None
        first = (_page(card) - 1) * A_PAGE
        for number, row in enumerate(registry.rows(card.name, first, A_PAGE), start=first + 1):
            key = f"datasets.row.{card.name}.{number}"
            label = f"{number} · {literal(_asked(row))}"
            with st.expander(label, expanded=number == first + 1, key=key, on_change="rerun") as box:
                if box.open and view == "json":
                    st.json(row.model_dump(exclude_defaults=True))
                elif box.open and tokenizer:
                    as_the_model_sees_it(row, tokenizer, key)
                elif box.open:
                    _talk(row)


def _page(card: Card) -> int:
    pages = max(1, -(-card.rows // A_PAGE))
    if pages == 1:
        return 1
    return st.pagination(pages, key=f"datasets.page.{card.name}")


def _asked(row: Record) -> str:
    messages = row.messages if isinstance(row, Conversation) else row.prompt
    return next((message.content for message in messages if message.role == "user"), "")


def _talk(row: Record) -> None:
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
