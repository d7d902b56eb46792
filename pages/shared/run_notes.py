"""The editor of a run's notes and tags. What was typed and not saved yet survives, for the person who typed it."""

from typing import Any

import streamlit as st

from engine.drafts import drop_draft
from engine.runs import Run, list_runs
from engine.runs.notes import LONGEST_TEXT, MOST_TAGS, read_notes, write_notes
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t


def run_notes(run: Run) -> None:
    """Text and tags, with a button that saves them; a fragment, so that typing runs nothing else."""
    st.fragment(_editor)(run)


def _editor(run: Run) -> None:
    notes = read_notes(run)
    _follow(f"notes.{run.id}", notes.model_dump())
    form = Form(f"notes.{run.id}", notes.model_dump())
    written = bool(notes.text or notes.tags) or form.values() != form.defaults
    with st.expander(t("Notes and tags"), expanded=written, icon=":material/edit_note:", key=f"run.{run.id}.notes"):
        st.text_area(
            t("Notes"),
            key=form.key("text"),
            placeholder=t("What was tried, and what came of it"),
            max_chars=LONGEST_TEXT,
        )
        st.multiselect(
            t("Tags"),
            sorted({*all_tags(list_runs()), *st.session_state[form.key("tags")]}),
            accept_new_options=True,
            max_selections=MOST_TAGS,
            placeholder=t("Choose or write words to find the run by"),
            key=form.key("tags"),
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(t("Save"), icon=":material/save:", key=f"run.{run.id}.save_notes"):
                with frame.errors_shown():
                    _save(run, form)
            if form.values() != form.defaults:
                st.caption(t("Not saved yet."))
    _keep(form)


def all_tags(runs: list[Run]) -> set[str]:
    """Every tag that some run has."""
    return {tag for run in runs for tag in read_notes(run).tags}


def _follow(name: str, notes: dict[str, Any]) -> None:
    """Fields in which nothing was typed take what somebody else saved meanwhile."""
    seen = st.session_state.get(f"{name}:seen", notes)
    if seen != notes and all(st.session_state.get(f"{name}.{field}") == value for field, value in seen.items()):
        for field in seen:
            del st.session_state[f"{name}.{field}"]
    st.session_state[f"{name}:seen"] = notes


def _save(run: Run, form: Form) -> None:
    values = form.values()
    write_notes(run, values["text"], values["tags"])
    form.clear()
    st.rerun()  # the whole page: the list shows the tags


def _keep(form: Form) -> None:
    """A draft only of what differs from the notes: an old one would hide what others write later."""
    if form.values() != form.defaults:
        form.save()
    elif f"{form.name}:saved" in st.session_state:
        drop_draft(frame.person(), form.name)
        del st.session_state[f"{form.name}:saved"]
