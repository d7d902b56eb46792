"""Everything that people have judged: find, read, change, count, export, import. Judgements are given in Chat, not here."""

import streamlit as st

from engine.feedback import pictures
from engine.feedback.store import count
from pages.chat import (
    feedback_figures,
    feedback_files,
    feedback_filters,
    feedback_list,
    feedback_pictures,
    feedback_row,
)
from pages.chat.feedback_withdraw import withdraw_people
from pages.shared import frame
from pages.shared.i18n import t


def main() -> None:
    """One judgement if the address names it, else all that match the filter."""
    frame.person()
    if st.query_params.get(feedback_row.ADDRESS):
        feedback_row.show()
        return
    st.title(t("Feedback"))
    if not count() and not pictures.count():
        _welcome()
        return
    st.caption(t("What people think of the model's replies. Good ones, corrections and choices become training data."))
    with frame.errors_shown():
        _tabs()


def _tabs() -> None:
    filters = feedback_filters.show()
    names = [t("Judgements"), t("Figures"), t("Export and import")]
    drawn = [t("Pictures")] if pictures.count() else []
    judgements, figures, files, *of_pictures = st.tabs(names + drawn, key=feedback_files.TABS, on_change="rerun")
    if judgements.open:
        with judgements:
            feedback_list.show(filters)
    if figures.open:
        with figures:
            feedback_figures.show(filters)
    if files.open:
        with files:
            feedback_files.export(filters)
            feedback_files.import_()
            withdraw_people()
    for tab in of_pictures:
        if tab.open:
            with tab:
                feedback_pictures.show(filters)


def _welcome() -> None:
    with st.container(border=True):
        st.markdown(t("Nobody has judged a reply yet. This is how:"))
        st.markdown(
            t(
                "1. Ask the model something in Chat.\n"
                "2. Below its reply, choose thumbs up or down, give stars, or write the reply as it should have been.\n"
                "3. Or let it answer twice, and choose the better reply.\n\n"
                "Everything you say is kept here, and twenty judgements are enough for a first dataset."
            )
        )
        if st.button(t("Go to Chat"), type="primary", icon=":material/forum:", key="feedback.chat"):
            st.switch_page("pages/chat/chat.py")
    with frame.errors_shown():
        feedback_files.import_()


main()
