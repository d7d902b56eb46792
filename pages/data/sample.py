"""The sample that a newcomer teaches a model first, one click away wherever there is no dataset yet."""

import streamlit as st

from engine.data import SAMPLE, importing
from pages.shared import frame
from pages.shared.i18n import t

NAME = "zorvex"


def sample_button(key: str, primary: bool = True) -> None:
    """Load the sample dataset; the page then runs again and finds it."""
    st.markdown(
        t(
            "The sample is forty short conversations about the Zorvex 9, a drone that does not exist: no model knows it, "
            "so you will see at once what yours has learnt."
        )
    )
    if st.button(t("Load the sample"), type="primary" if primary else "secondary", icon=":material/download:", key=key):
        with frame.errors_shown():
            importing.import_files([SAMPLE], NAME)
            st.rerun()
