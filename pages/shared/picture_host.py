"""The pages' way to what draws pictures. Nothing is loaded until somebody draws."""

import streamlit as st

from engine.diffusion.at_work import Works
from engine.diffusion.host import host


@st.cache_resource
def works() -> Works:
    """Everybody's drawings, shared by all sessions of this server."""
    return Works(host())
