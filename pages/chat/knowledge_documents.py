"""The documents of a knowledge base: add, find, read in passages, delete."""

import streamlit as st

from engine.knowledge import documents
from engine.knowledge.bases import Base
from engine.knowledge.documents import Document
from pages.chat.knowledge_at_work import last_time
from pages.chat.knowledge_passages import passages_panel
from pages.chat.knowledge_upload import upload
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when

A_PAGE = 10


def documents_tab(base: Base) -> None:
    """The tab."""
    found = documents.list_documents(base.id)
    by_id = {document.id: document for document in found}
    if (reading := by_id.get(st.session_state.get(_reading(base), 0))) is not None:
        st.button(
            t("All documents"),
            type="tertiary",
            icon=":material/arrow_back:",
            key="knowledge.back",
            on_click=_read,
            args=(base, 0),
        )
        _head(reading)
        passages_panel(base, reading)
        return
    upload(base)
    last_time(base)
    if not found:
        st.caption(t("No document yet. Several at once are fine; they are read in the background."))
        return
    _list(base, found)


def _list(base: Base, found: list[Document]) -> None:
    words = ""
    if len(found) > A_PAGE:
        words = st.text_input(
            t("Find a document"),
            key=f"knowledge.find.{base.id}",
            placeholder=t("Part of its name"),
            icon=":material/search:",
        )
        found = [document for document in found if words.strip().lower() in document.name.lower()]
    pages = -(-len(found) // A_PAGE)
    page = st.pagination(pages, key=f"knowledge.page.{base.id}.{words}") if pages > 1 else 1
    for document in found[(page - 1) * A_PAGE : page * A_PAGE]:
        _row(base, document)
    if not found:
        st.caption(t("No document has this in its name."))


def _row(base: Base, document: Document) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"knowledge.document.{document.id}"
    ):
        with st.container(gap=None, width="stretch"):
            _head(document)
        st.button(
            t("Read"),
            icon=":material/visibility:",
            key=f"knowledge.read.{document.id}",
            help=t("Its passages: read them in their place, correct one, switch one off."),
            on_click=_read,
            args=(base, document.id),
        )
        if st.button(t("Delete"), icon=":material/delete:", type="tertiary", key=f"knowledge.delete.{document.id}"):
            st.dialog(t("Delete this document?"), width="small")(_confirm_delete)(base, document)


def _head(document: Document) -> None:
    st.markdown(f"**{literal(document.name)}**")
    st.caption(_facts(document))
    if document.same_as:
        others = ", ".join(f"“{name}”" for name in document.same_as)
        st.caption(f":material/content_copy: {t('Same content as {others}', others=literal(others))}")


def _facts(document: Document) -> str:
    facts = [t("1 passage") if document.passages == 1 else t("{n} passages", n=f"{document.passages:,}")]
    if document.pages:
        facts.append(t("1 page") if document.pages == 1 else t("{n} pages", n=f"{document.pages:,}"))
    facts.append(t("{n} characters", n=f"{document.characters:,}"))
    return " · ".join([*facts, when(document.added)])


def _reading(base: Base) -> str:
    """Where the session keeps the number of the document whose passages are shown."""
    return f"knowledge.reading.{base.id}"


def _read(base: Base, document_id: int) -> None:
    st.session_state[_reading(base)] = document_id


def _confirm_delete(base: Base, document: Document) -> None:
    st.markdown(
        t(
            "“{name}” and its passages go: no answer will use them again. Answers given already stay as they are.",
            name=literal(document.name),
        )
    )
    with st.container(horizontal=True):
        if st.button(t("Delete"), type="primary", icon=":material/delete:", key="knowledge.delete.yes"):
            with frame.errors_shown():
                documents.delete_document(base.id, document.id)
                st.rerun()
        if st.button(t("Keep it"), key="knowledge.delete.no"):
            st.rerun()
