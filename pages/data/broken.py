"""The lines of the imported files that hold no row, each with its reason."""

import streamlit as st

from engine.data import registry
from engine.data.registry import Card
from pages.shared.i18n import t

MOST = 1000


def broken_lines(card: Card) -> None:
    """The tab."""
    st.caption(t("These lines were left out; everything else was imported. Mend them in the file and import it again."))
    lines = registry.broken_lines(card.name, MOST)
    st.dataframe(
        {
            t("Line"): [line["line"] for line in lines],
            t("What is wrong"): [t(line["reason"]) for line in lines],
            t("File"): [line["file"] for line in lines],
        },
        hide_index=True,
        key="datasets.broken",
    )
    if card.broken > MOST:
        st.caption(t("The first {n} are shown.", n=MOST))
