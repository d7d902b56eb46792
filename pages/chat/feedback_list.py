"""The judgements that match, twenty to a page, newest first."""

from dataclasses import replace

import streamlit as st

from engine.feedback.schema import Feedback
from engine.feedback.store import FeedbackFilter, count, find
from pages.chat import feedback_row
from pages.chat.feedback_labels import badges, origin, side_title
from pages.shared.i18n import t
from pages.shared.labels import literal

_PER_PAGE = 20
_MOST = 280
"""Characters of a reply that the list shows."""


def show(filters: FeedbackFilter) -> None:
    """One page of the list, and what can be done with all of it."""
    found = count(filters)
    if not found:
        st.info(t("No judgement matches this filter."), icon=":material/filter_alt:")
        return
    pages = -(-found // _PER_PAGE)
    key = f"feedback.page.{hash(filters)}"  # another filter begins at its first page
    page = min(st.session_state.get(key, 1), pages)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        first = (page - 1) * _PER_PAGE
        st.markdown(t("{first}–{last} of **{all}**", first=first + 1, last=min(first + _PER_PAGE, found), all=found))
        if st.button(
            t("Make a dataset from these"), type="primary", icon=":material/dataset:", key="feedback.make_dataset"
        ):
            # what the page over there can take along: the tab, and whose judgements
            st.session_state["datasets.ways"] = t("From feedback")
            st.session_state["datasets.judged.annotator"] = filters.annotator
            st.switch_page("pages/data/datasets.py")
    for row in find(replace(filters, limit=_PER_PAGE, offset=first)):
        _card(row)
    if pages > 1:
        with st.container(horizontal_alignment="center", key="feedback.pages"):
            st.pagination(pages, key=key, persist_state="session")


def _card(row: Feedback) -> None:
    with st.container(border=True, gap="xsmall", key=f"feedback.row.{row.id}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(badges(row), width="content")
            st.button(
                t("Open"),
                type="tertiary",
                icon=":material/open_in_full:",
                key=f"feedback.open.{row.id}",
                on_click=feedback_row.open_row,
                args=(row.id,),
            )
        st.markdown(f"**{literal(row.question, _MOST)}**")
        if row.reply_b:
            for column, side, reply in zip(st.columns(2), "ab", (row.reply, row.reply_b), strict=True):
                with column:
                    side_title(row, side)
                    st.text(_excerpt(reply))
        else:
            st.text(_excerpt(row.reply))
        st.caption(origin(row))


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST else line[: _MOST - 1] + "…"
