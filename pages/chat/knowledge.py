"""Knowledge bases: documents go in, questions are answered from them with citations, or it is said that they hold no answer."""

from collections.abc import Callable

import streamlit as st

from engine.knowledge import bases
from engine.knowledge.bases import Base
from pages.chat.knowledge_ask import Asking, ask_tab, end_interrupted
from pages.chat.knowledge_at_work import at_work
from pages.chat.knowledge_bases import TAB, choose_base, new_base, sample_button
from pages.chat.knowledge_check import check_tab
from pages.chat.knowledge_documents import documents_tab
from pages.chat.knowledge_settings import settings_tab
from pages.chat.knowledge_talks import asked_about
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless


def main() -> None:
    """The page."""
    frame.person()
    end_interrupted()
    head = st.container()
    at_work()  # before the list: what a run has just added must be counted in it
    found = bases.list_bases()
    with head:
        _head(bool(found))
    if not found:
        _empty()
        return
    left, right = st.columns([2, 7], gap="medium")
    with left:
        base = choose_base(found, asked_about())
    with right:
        asking = _show(base, found)
    if asking:
        asking.listen()


def _head(any_base: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(t("Knowledge"), width="content")
        if any_base and st.button(t("New knowledge base"), icon=":material/add:", key="knowledge.new"):
            new_base()
    st.caption(t("Ask your documents: answers name the passages they stand on, and it is said so when there is none."))


def _empty() -> None:
    with st.container(border=True, key="knowledge.empty"):
        st.subheader(t("No knowledge base yet"))
        st.markdown(
            t(
                "A knowledge base is a set of documents that the model answers from. The sample has three short ones about "
                "the Zorvex 9, a drone that does not exist: no model knows it, so every right answer comes from them."
            )
        )
        with st.container(horizontal=True):
            sample_button("knowledge.sample")
            if st.button(t("New knowledge base"), icon=":material/add:", key="knowledge.new"):
                new_base()


def _show(base: Base, found: list[Base]) -> Asking | None:
    """The tabs; what was asked is answered after them, as its box stands at the bottom of the page."""
    st.subheader(literal(base.name), anchor=False)
    if base.description:
        st.caption(harmless(base.description))
    asking: list[Asking] = []
    tabs: dict[str, tuple[str, Callable[[], None]]] = {
        "ask": (t("Ask"), lambda: asking.append(ask_tab(base, found))),
        "documents": (t("Documents"), lambda: documents_tab(base)),
        "check": (t("Check"), lambda: check_tab(base)),
        "settings": (t("Settings"), lambda: settings_tab(base)),
    }
    key = "knowledge.tabs"
    if (wanted := st.session_state.pop(TAB, None)) is not None:
        st.session_state[key] = tabs[wanted][0]
    labels = [label for label, _ in tabs.values()]
    if st.session_state.get(key, labels[0]) not in labels:
        del st.session_state[key]  # the language was changed
    for (_, show), tab in zip(tabs.values(), st.tabs(labels, on_change="rerun", key=key), strict=True):
        if tab.open:
            with tab, frame.errors_shown():
                show()
    return asking[0] if asking else None


main()
