"""The passages of one document: read in their place, corrected, switched off and on. Nothing else of the document changes."""

import streamlit as st

from engine.knowledge import passages
from engine.knowledge.bases import Base
from engine.knowledge.documents import Document
from engine.knowledge.passages import Passage
from pages.chat.knowledge_place import passage_dialog, verbatim, where
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t

A_PAGE = 10


def passages_panel(base: Base, document: Document) -> None:
    """A page of them at a time."""
    st.caption(
        t("The search finds passages, and answers cite them. These are the pieces this document was split into.")
    )
    pages = -(-document.passages // A_PAGE)
    page = st.pagination(pages, key=f"knowledge.passages.{document.id}.page") if pages > 1 else 1
    for passage in passages.list_passages(base.id, document.id, (page - 1) * A_PAGE, A_PAGE):
        _row(base, passage)


def _row(base: Base, passage: Passage) -> None:
    with st.container(border=True, gap="small", key=f"knowledge.passage.{passage.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{passage.place + 1}**", width="content")
            st.caption(where(passage), width="content")
            if passage.edited:
                st.badge(t("corrected"), icon=":material/edit:", color="blue")
            if not passage.enabled:
                st.badge(t("switched off"), icon=":material/visibility_off:", color="gray")
        st.markdown(verbatim((passage.text, "")))
        with st.container(horizontal=True, vertical_alignment="center"):
            _actions(base, passage)


def _actions(base: Base, passage: Passage) -> None:
    key = f"knowledge.use.{passage.id}"
    st.session_state[key] = passage.enabled  # the base may have been changed elsewhere
    st.toggle(
        t("Used"),
        key=key,
        help=t("Switched off, it is never found and never cited, and can be switched on again."),
        on_change=_switch,
        args=(base, passage, key),
    )
    if st.button(
        t("In its place"), icon=":material/find_in_page:", type="tertiary", key=f"knowledge.place.{passage.id}"
    ):
        passage_dialog(base.id, passage.id, passage.document_name)
    if st.button(t("Correct"), icon=":material/edit:", type="tertiary", key=f"knowledge.correct.{passage.id}"):
        st.dialog(t("Correct this passage"), width="medium")(_correct)(base, passage)


def _switch(base: Base, passage: Passage, key: str) -> None:
    with frame.errors_shown():
        passages.set_enabled(base.id, passage.id, st.session_state[key])


def _correct(base: Base, passage: Passage) -> None:
    st.caption(t("The search and the answers use your words from now on; the document itself stays as it is."))
    form = Form(f"knowledge.correct.{base.id}.{passage.id}", {"text": passage.text})
    st.text_area(t("The passage"), key=form.key("text"), height=320, on_change=form.save)
    if st.button(t("Save"), type="primary", key="knowledge.correct.save"):
        with frame.errors_shown():
            passages.correct(base.id, passage.id, form.values()["text"])
            form.clear()
            st.rerun()
