"""Several datasets of one kind become one more; they stay as they are."""

import streamlit as st

from engine.data import registry
from engine.data.registry import Card
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.run_panel import OPEN


def merge(cards: list[Card]) -> None:
    """Open the dialog."""
    st.dialog(t("Merge datasets"), width="small")(_choose)(cards)


def _choose(cards: list[Card]) -> None:
    names = st.multiselect(
        t("Datasets, in their order"), [card.name for card in cards], key="datasets.merge.names", placeholder=t("none")
    )
    name = st.text_input(t("Name of the dataset"), key="datasets.merge.name", max_chars=80).strip()
    if st.button(t("Merge"), type="primary", icon=":material/merge:", key="datasets.merge.start", disabled=not name):
        with frame.errors_shown(), st.spinner(t("Writing …"), show_time=True):
            st.session_state[OPEN] = registry.merge(names, name).name
            st.rerun()
