"""RLHF: from what people judged to pairs, to a trained adapter, to the proof that it helped. One tab a step."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.train.flywheel import flywheel_chart
from pages.train.pairs import pairs_tab
from pages.train.proof import proof_tab
from pages.train.rlhf_form import training_tab


def main() -> None:
    """The page."""
    frame.person()
    st.title(t("RLHF"))
    st.caption(
        t(
            "What people judged becomes pairs of replies; an adapter learns to answer like the better one; people say if it did."
        )
    )
    steps = {
        t("1 · Pairs"): pairs_tab,
        t("2 · Training"): training_tab,
        t("3 · Proof"): proof_tab,
        t("Flywheel"): flywheel_chart,
    }
    for tab, draw in zip(st.tabs(list(steps), key="rlhf.step", on_change="rerun"), steps.values(), strict=True):
        if tab.open:
            with tab:
                draw()


main()
