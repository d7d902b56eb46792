"""The one way to add data: a dialog with a tab for each place that data comes from."""

import streamlit as st

from pages.data.judged import from_feedback
from pages.data.upload import from_files
from pages.data.write import by_hand
from pages.shared import frame
from pages.shared.i18n import t


def add_data() -> None:
    """Open the dialog; its title is in the language of the moment."""
    st.dialog(t("Add data"), width="medium", on_dismiss="rerun")(_tabs)()


def _tabs() -> None:
    labels = [t("Files"), t("Write a row"), t("From feedback")]
    ways = (from_files, by_hand, from_feedback)
    for way, tab in zip(ways, st.tabs(labels, on_change="rerun", key="datasets.ways"), strict=True):
        if tab.open:
            with tab, frame.errors_shown():
                way()
