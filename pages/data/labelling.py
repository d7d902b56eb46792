"""The labelling desk: people answer the prompts of a queue, a second person may review, and the answers become a dataset."""

import streamlit as st

from engine.labelling import desk, queues, review, sample
from engine.labelling.desk import Work
from engine.labelling.schema import Queue
from pages.data.labelling_add import add_prompts
from pages.data.labelling_desk import desk_panel, draft_panel
from pages.data.labelling_draft import end_interrupted
from pages.data.labelling_progress import progress_panel
from pages.data.labelling_review import review_panel
from pages.data.labelling_settings import OPEN, change_queue, new_queue
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.text import harmless

CHOSEN = "labelling.chosen"
MODE = "labelling.mode"


def main() -> None:
    """The page."""
    frame.person()
    end_interrupted()
    found = queues.list_queues()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(t("Labelling"), width="content")
        if found and st.button(t("New queue"), icon=":material/add:", key="labelling.new"):
            new_queue()
    st.caption(t("People write the replies that a model shall learn: each prompt goes to one of you, or to several."))
    if not found:
        _empty()
        return
    queue = _choose(found)
    work, overview = st.columns([5, 3], gap="large")
    wanted = None
    with work, frame.errors_shown():
        wanted = _work(queue)
    with overview, frame.errors_shown():
        progress_panel(queue)
        _elsewhere()
    if wanted:
        with work, frame.errors_shown():
            draft_panel(queue, wanted)


def _empty() -> None:
    with st.container(border=True, key="labelling.empty"):
        st.subheader(t("No queue yet"))
        st.markdown(
            t(
                "A queue is a list of prompts with instructions for those who answer them. The sample has ten questions about "
                "the Zorvex 9, a drone that does not exist: answer them, alone or with a colleague, and train on the result."
            )
        )
        with st.container(horizontal=True):
            if st.button(t("Load the sample"), type="primary", icon=":material/download:", key="labelling.sample"):
                with frame.errors_shown():
                    sample.create(frame.person())
                    st.rerun()
            if st.button(t("New queue"), icon=":material/add:", key="labelling.new"):
                new_queue()
    _elsewhere()


def _elsewhere() -> None:
    st.page_link("pages/data/datasets.py", label=t("Write single rows without a queue"), icon=":material/edit_note:")


def _choose(found: list[Queue]) -> Queue:
    """The queue, and what can be done with it; the address remembers the choice over a reload."""
    by_name = {queue.name: queue for queue in found}
    made = st.session_state.pop(OPEN, None)
    if made or st.session_state.get(CHOSEN) not in by_name:
        asked = made or st.query_params.get("queue", "")
        st.session_state[CHOSEN] = asked if asked in by_name else found[0].name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(t("Queue"), list(by_name), key=CHOSEN, width=320)
        queue = by_name[name]
        if st.button(t("Add prompts"), icon=":material/playlist_add:", key="labelling.add"):
            add_prompts(queue)
        if st.button(t("Settings"), icon=":material/tune:", key="labelling.settings"):
            change_queue(queue)
    st.query_params["queue"] = name
    return queue


def _work(queue: Queue) -> Work | None:
    """Desk or review; returns the task whose draft is wanted."""
    if queue.instructions.strip():
        key = f"labelling.instructions.{queue.id}"
        with st.expander(t("Instructions"), expanded=True, icon=":material/menu_book:", key=key):
            st.markdown(harmless(queue.instructions))
    if _mode(queue) == "review":
        desk.put_back(queue.id, frame.person())
        review_panel(queue)
        return None
    return desk_panel(queue)


def _mode(queue: Queue) -> str:
    if not queue.review:
        return "label"
    waiting = review.count_waiting(queue.id, frame.person())
    words = {"label": t("Label"), "review": t("Review ({n})", n=waiting) if waiting else t("Review")}
    return st.segmented_control(
        t("What to do"),
        list(words),
        format_func=words.__getitem__,
        default="label",
        required=True,
        key=MODE,
        label_visibility="collapsed",
    )


main()
