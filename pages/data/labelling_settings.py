"""A new queue, or another wish for an old one: instructions, how many people, review, dataset; and its deletion."""

from typing import Any

import streamlit as st

from engine.labelling import queues
from engine.labelling.queues import LEASE_MINUTES, MOST_OVERLAP
from engine.labelling.schema import Queue
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t

OPEN = "labelling.open"  # what was just made; a choice set from within a dialog would be overruled by the browser's
_FIELDS: dict[str, Any] = {
    "instructions": "",
    "overlap": 1,
    "review": False,
    "lease_minutes": LEASE_MINUTES,
    "dataset": "",
}


def new_queue() -> None:
    """Open the dialog that makes one."""
    st.dialog(t("New queue"), width="medium")(_new)()


def change_queue(queue: Queue) -> None:
    """Open the dialog that changes or deletes one."""
    st.dialog(t("Settings"), width="medium")(_change)(queue)


def _new() -> None:
    form = Form("labelling.queue", {"name": "", **_FIELDS})
    st.text_input(t("Name of the queue"), key=form.key("name"), max_chars=80)
    _fields(form, MOST_OVERLAP, may_review=True)
    form.save()
    if st.button(t("Make the queue"), type="primary", key="labelling.queue.make"):
        with frame.errors_shown():
            made = queues.create(created_by=frame.person(), **_asked(form))
            st.session_state[OPEN] = made.name
            form.clear()
            st.rerun()


def _change(queue: Queue) -> None:
    form = Form(f"labelling.queue.{queue.id}", queue.model_dump(include=set(_FIELDS)))
    _fields(form, queue.overlap, may_review=queue.review)
    if st.button(t("Save"), type="primary", key="labelling.queue.save"):
        with frame.errors_shown():
            queues.change(queue.id, **_asked(form))
            form.clear()
            st.rerun()
    st.divider()
    sure = st.checkbox(t("Yes, delete this queue with its prompts and labels"), key="labelling.delete.sure")
    if st.button(t("Delete the queue"), icon=":material/delete:", key="labelling.delete"):
        if not sure:
            st.warning(t("Tick the box first: a deleted queue cannot be brought back. Datasets made of it stay."))
            return
        with frame.errors_shown():
            queues.delete(queue.id)
            form.clear()
            st.rerun()


def _fields(form: Form, most_overlap: int, may_review: bool) -> None:
    st.text_area(
        t("Instructions for the annotators"),
        key=form.key("instructions"),
        height=120,
        placeholder=t("What a good reply is: tone, length, facts to use, what to leave out."),
    )
    left, right = st.columns(2)
    left.number_input(
        t("People for each prompt"),
        1,
        most_overlap,
        step=1,
        key=form.key("overlap"),
        help=t("More people show where they disagree, and take more time. It can be lowered afterwards, not raised."),
    )
    right.text_input(
        t("Name of the dataset"),
        key=form.key("dataset"),
        placeholder=t("as the queue"),
        max_chars=80,
        help=t("Where the finished labels go. If there is such a dataset, they are added to it."),
    )
    left.number_input(
        t("Minutes a task stays with a person"),
        1,
        7 * 24 * 60,
        step=5,
        key=form.key("lease_minutes"),
        help=t("Counted from the last keystroke. Then others may get it; what was typed is kept."),
    )
    with right:
        st.space("small")
        st.toggle(
            t("A second person reviews"),
            key=form.key("review"),
            disabled=not may_review,
            help=t("A label counts once somebody else has accepted it. It can be switched off afterwards, not on."),
        )


def _asked(form: Form) -> dict[str, Any]:
    values = form.values()
    return {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
