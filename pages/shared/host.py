"""The pages' way to the process's model host. Nothing is loaded until somebody asks a model something."""

import streamlit as st

from engine.models.host import Host, host


@st.cache_resource
def studio_host() -> Host:
    """The one host, shared by all sessions of this server."""
    return host()
