"""The ways on from an adapter: to its tabs, to the Draw page, to Chat. What is said here, those pages look for."""

import streamlit as st

TAB = "image.tab"
"""Which tab the page opens next; in the address too, as `?tab=merge`."""
DRAW = "image.draw"
CHOSEN = "draw.loras"
"""Adapters that the Draw page begins with, by name."""


def open_tab(tab: str) -> None:
    """Let the page show another tab; for a callback.

    Args:
        tab: `teach`, `library`, `merge` or `grid`.
    """
    st.session_state[TAB] = tab


def draw_with(*names: str) -> None:
    """Go to the Draw page with these adapters chosen."""
    st.session_state[CHOSEN] = list(names)
    st.switch_page("pages/image/draw.py")


def chat_with(name: str) -> None:
    """Go to Chat with this adapter chosen."""
    st.session_state["chat.adapter"] = name
    st.switch_page("pages/chat/chat.py")


def bounded(weight: float) -> float:
    """A weight that recipes take. Fields have no bounds of their own: a browser puts the lowest in one that was emptied."""
    return max(-10.0, min(10.0, float(weight)))
