"""Where a waiting run stands in the queue, and the buttons that change it."""

import contextlib

import streamlit as st

from engine.errors import BadInput
from engine.jobs import queue
from engine.runs import Run
from pages.shared.i18n import t


def queue_place(run: Run) -> None:
    """Draw it for a run that waits; nothing for others."""
    order = queue.waiting()
    if run not in order:
        return
    place = order.index(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            t("It waits for its devices: number {place} of {all} in the queue.", place=place + 1, all=len(order)),
            width="content",
        )
        moves = {
            t("Next to begin"): ("keyboard_double_arrow_up", 0, place == 0),
            t("Earlier"): ("arrow_upward", place - 1, place == 0),
            t("Later"): ("arrow_downward", place + 1, place == len(order) - 1),
        }
        for label, (icon, to, disabled) in moves.items():
            key = f"queue.{run.id}.{icon}"
            st.button(label, icon=f":material/{icon}:", key=key, disabled=disabled, on_click=_move, args=(run, to))


def _move(run: Run, to: int) -> None:
    with contextlib.suppress(BadInput):  # it has begun meanwhile, and the page shows that
        queue.move(run, to)
