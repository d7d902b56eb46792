"""A model's first draft, written into the output while the person watches; they may stop it, and they edit it."""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.chat.turns import Speaker
from engine.labelling.desk import Work
from engine.labelling.drafting import LiveDraft, start_draft
from engine.labelling.schema import Assignment
from engine.models.request import Sampling
from pages.shared.drafts import Form
from pages.shared.frame import errors_shown
from pages.shared.i18n import t
from pages.shared.speaker_picker import speaker_picker
from pages.shared.text import harmless

LIVE = "labelling.live"  # the draft that the previous run of this page was writing
WANTED = "labelling.wanted"  # the assignment that the next run drafts
TRIED = "labelling.tried"  # the assignment that was drafted last: what failed is not tried again by itself


def want_draft(work: Work) -> None:
    """Let the next run of the page draft this one; for a callback."""
    st.session_state[WANTED] = work.assignment.id


def draft_settings() -> None:
    """Which model drafts, and whether it begins by itself."""
    form = _form()
    with st.popover(" ", icon=":material/tune:", help=t("Which model drafts"), key="labelling.drafting"):
        speaker = speaker_picker("labelling.speaker", _speaker(form), t("Model"))
        st.session_state[form.key("speaker")] = speaker.model_dump()
        st.toggle(t("Draft each new task at once"), key=form.key("auto"))
    form.save()


def draft_wanted(work: Work) -> bool:
    """Whether the person asked for a draft of this one, or wants one of each new task."""
    if st.session_state.pop(WANTED, None) == work.assignment.id:
        return True
    fresh = not work.assignment.output and work.assignment.draft is None
    return fresh and _form().values()["auto"] and st.session_state.get(TRIED) != work.assignment.id


def write_draft(work: Work) -> None:
    """Show the draft as it is written, then run the page anew; return if it fails, and say why."""
    st.session_state[TRIED] = work.assignment.id
    with st.container(border=True, height=220):
        place = st.empty()
    place.markdown(t("Reading …"))
    st.button(t("Stop"), icon=":material/stop_circle:", key="labelling.stop")  # any click ends this run of the script
    with errors_shown():
        live = start_draft(work, _speaker(_form()), Sampling())
        st.session_state[LIVE] = live
        _stream(work, live, place)
        st.rerun()


def end_interrupted() -> None:
    """A click while a draft was written ends that run of the script: keep what there is of the draft."""
    if live := st.session_state.pop(LIVE, None):
        with errors_shown():
            live.finish()


def made_by(assignment: Assignment) -> str:
    """`model`, or `model + adapter`; empty without a draft."""
    by = assignment.draft_by or {}
    return " + ".join(str(by[part]) for part in ("model", "adapter") if by.get(part))


def _form() -> Form:
    return Form("labelling.model", {"speaker": {}, "auto": False})


def _speaker(form: Form) -> Speaker:
    chosen = form.values()["speaker"]
    return Speaker.model_validate(chosen) if chosen else Speaker.usual()


def _stream(work: Work, live: LiveDraft, place: DeltaGenerator) -> None:
    try:
        while not live.stream.ended:
            words = f"{work.assignment.output}\n\n{live.stream.text}".strip()
            place.markdown(f"{harmless(words)} ▌" if live.stream.text else t("Reading …"))
            time.sleep(0.05)
    finally:
        live.finish()
