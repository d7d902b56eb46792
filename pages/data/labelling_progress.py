"""How far a queue is, who did what, and the dataset that its labels become."""

import streamlit as st

from engine.data import registry
from engine.labelling import desk, export
from engine.labelling.progress import Progress, people, progress
from engine.labelling.schema import Queue
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.labels import literal

EVERY = "10s"


@st.fragment(run_every=EVERY)
def progress_panel(queue: Queue) -> None:
    """Looks again every ten seconds, as others work too."""
    found = progress(queue)
    if not found.tasks:
        return
    st.progress(found.done / found.tasks, t("{done} of {tasks} done", done=found.done, tasks=found.tasks))
    st.caption(_places(found))
    if found.skipped:
        st.button(
            t("Offer skipped ones again"),
            icon=":material/replay:",
            type="tertiary",
            key="labelling.reopen",
            on_click=desk.reopen,
            args=(queue.id,),
        )
    _people(queue)
    with errors_shown():
        _dataset(queue)


def _places(found: Progress) -> str:
    words = [
        (found.left, t("left: {n}", n=found.left)),
        (found.in_work, t("in work: {n}", n=found.in_work)),
        (found.in_review, t("in review: {n}", n=found.in_review)),
        (found.skipped, t("skipped: {n}", n=found.skipped)),
    ]
    return " · ".join(text for number, text in words if number)


def _people(queue: Queue) -> None:
    found = [who for who in people(queue) if who.saved or who.skipped]
    if not found:
        return
    columns = {
        t("Annotator"): [who.name for who in found],
        t("Labels"): [who.saved for who in found],
        t("An hour"): ["–" if who.per_hour is None else f"{who.per_hour:,.0f}" for who in found],
    }
    if queue.review:
        columns |= {
            t("Accepted"): [who.accepted for who in found],
            t("Sent back"): [who.returned for who in found],
        }
    columns[t("Skipped")] = [who.skipped for who in found]
    st.dataframe(columns, hide_index=True, key="labelling.people")


def _dataset(queue: Queue) -> None:
    new = export.count_new(queue)
    exists = any(card.name == queue.dataset for card in registry.list_datasets())
    with st.container(border=True, key="labelling.dataset"):
        name = literal(queue.dataset)
        st.markdown(t("Finished labels that are not in the dataset “{name}” yet: **{n}**", name=name, n=new))
        with st.container(horizontal=True):
            label = t("Add them to the dataset") if exists else t("Make a dataset")
            if new and st.button(label, icon=":material/dataset:", key="labelling.export"):
                card = export.make_dataset(queue, person())
                st.toast(t("Rows in “{name}” now: {n}.", name=literal(card.name), n=card.rows), icon=":material/check:")
                st.rerun(scope="fragment")
            if exists and st.button(t("Train on this"), icon=":material/model_training:", key="labelling.train"):
                st.session_state["lora.dataset"] = queue.dataset
                st.switch_page("pages/train/lora.py")
