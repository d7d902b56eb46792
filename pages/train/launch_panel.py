"""The end of a training's form: its command, what it will take, and the button that starts it. The page says what is asked."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from engine.errors import StudioError
from engine.jobs.local import command_line
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.specs import SftSpec
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.text import harmless
from pages.train.preflight import ready, show_verdict, start_anyway

Spec = TypeVar("Spec", SftSpec, DreamboothSpec)


def launch_panel(
    form: Form, spec: Spec | None, problem: StudioError | None, key: str, start: Callable[[Form, Spec, bool], None]
) -> None:
    """Draw it.

    Args:
        form: what the person fills in.
        spec: what it asks for, as far as it can be read.
        problem: why it cannot be had.
        key: what the keys of its widgets begin with.
        start: starts the training; told whether the chat model is to be unloaded first.
    """
    if spec:
        st.caption(t("This command does the same, here or on another machine:"))
        st.code(command_line(spec), language=None, wrap_lines=True)
        if not problem:
            with st.expander(
                t("What it will take"), icon=":material/fact_check:", key=f"{key}.preflight", on_change="rerun"
            ) as box:
                if box.open:
                    show_verdict(spec)
    with st.container(horizontal=True, vertical_alignment="center"):
        clicked = st.button(t("Start training"), type="primary", icon=":material/play_arrow:", key=f"{key}.start")
        unload = st.checkbox(
            t("Unload the chat model first"),
            key=form.key("unload"),
            help=t("Gives its memory to the training. Chat loads it again when somebody writes."),
        )
    if problem:
        show = st.error if clicked else st.warning
        show(harmless(t(problem.sentence, **problem.values)), icon=":material/info:")
    elif spec and (clicked or start_anyway(spec)):
        with frame.errors_shown():
            if not clicked or ready(spec):
                start(form, spec, unload)
