"""Draw: an idea becomes a prompt, a prompt becomes pictures, and every picture can be judged, drawn on, or drawn again."""

import streamlit as st

from pages.image.draw_gallery import gallery_view
from pages.image.draw_picture import restore_from_png
from pages.image.draw_request import asked_view
from pages.image.draw_state import VIEW
from pages.shared import frame
from pages.shared.i18n import t


def main() -> None:
    """The page."""
    frame.person()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(t("Draw"), width="content")
        restore_from_png()
    views = {"draw": t("New picture"), "gallery": t("Gallery")}
    st.session_state.setdefault(VIEW, "draw")
    view = st.segmented_control(
        t("View"), views, format_func=views.__getitem__, key=VIEW, required=True, label_visibility="collapsed"
    )
    with frame.errors_shown():
        if view == "gallery":
            gallery_view()
        else:
            asked_view()


main()
