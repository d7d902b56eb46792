"""Image LoRA: teach a picture model a new thing, keep what it learnt, combine several, and compare them in a grid."""

from collections.abc import Callable

import streamlit as st

from pages.image.grid import grid_tab
from pages.image.library import library_tab
from pages.image.library_ways import TAB
from pages.image.merge import merge_tab
from pages.image.training import teach_tab
from pages.shared import frame
from pages.shared.i18n import t

_KEY = "image.tabs"


def main() -> None:
    """The page."""
    frame.person()
    st.title(t("Image LoRA"))
    st.caption(t("Teach the picture model a new thing with a few pictures; then draw with it, alone or with others."))
    tabs = _tabs()
    labels = [label for label, _ in tabs.values()]
    wanted = st.session_state.pop(TAB, None) or st.query_params.get("tab")
    if wanted in tabs:
        st.session_state[_KEY] = tabs[wanted][0]
    if st.session_state.get(_KEY, labels[0]) not in labels:
        del st.session_state[_KEY]  # the language was changed
    st.query_params.pop("tab", None)
    for (_, show), tab in zip(tabs.values(), st.tabs(labels, on_change="rerun", key=_KEY), strict=True):
        if tab.open:
            with tab, frame.errors_shown():
                show()


def _tabs() -> dict[str, tuple[str, Callable[[], None]]]:
    """In the order people need them."""
    return {
        "teach": (t("Teach it something"), teach_tab),
        "library": (t("Library"), library_tab),
        "merge": (t("Combine and merge"), merge_tab),
        "grid": (t("Grid"), grid_tab),
    }


main()
