"""Prompts come into a queue: typed, from a file, from chats, or from a dataset."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import streamlit as st

from engine.data import registry
from engine.labelling import sources, tasks
from engine.labelling.schema import Prompt, Queue
from engine.settings import settings
from pages.data.upload import ENDINGS
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

ADDED = "labelling.added"
_Choice = Callable[[], Iterator[Prompt | str]] | None
"""What gives the prompts; None while nothing is chosen."""


def add_prompts(queue: Queue) -> None:
    """Open the dialog."""
    st.session_state.pop(ADDED, None)
    st.dialog(t("Add prompts"), width="medium", on_dismiss="rerun")(_ways)(queue)


def _ways(queue: Queue) -> None:
    labels = [t("Type"), t("File"), t("Chats"), t("Dataset")]
    ways = (_typed, _file, _chats, _dataset)
    for way, tab in zip(ways, st.tabs(labels, on_change="rerun", key="labelling.ways"), strict=True):
        if tab.open:
            with tab, frame.errors_shown():
                _add_button(queue, way.__name__, way(queue))
    if added := st.session_state.get(ADDED):
        st.success(_came_of(added), icon=":material/check:")


def _add_button(queue: Queue, way: str, prompts: _Choice) -> None:
    if not st.button(t("Add to “{queue}”", queue=literal(queue.name)), type="primary", key=f"labelling.add{way}"):
        return
    if prompts is None:
        st.warning(t("There is nothing to add yet: choose or write something first."))
        return
    with st.spinner(t("Adding the prompts …")):
        st.session_state[ADDED] = tasks.add(queue.id, prompts())
    st.rerun(scope="fragment")


def _came_of(added: tasks.Added) -> str:
    words = [t("Prompts added: {n}.", n=added.added)]
    if added.known:
        words.append(t("In the queue already: {n}.", n=added.known))
    if added.unusable:
        words.append(t("Could not be used: {n}.", n=added.unusable))
    return " ".join(words)


def _typed(queue: Queue) -> _Choice:
    form = Form(f"labelling.typed.{queue.id}", {"text": ""})
    if ADDED in st.session_state:  # they are in the queue: make room for others
        form.clear()
        form = Form(form.name, form.defaults)
    text = st.text_area(
        t("Prompts, one a line"), key=form.key("text"), height=200, placeholder=t("What the person asks for")
    )
    form.save()
    return (lambda: sources.typed(text, frame.person())) if text.strip() else None


def _file(queue: Queue) -> _Choice:
    upload = st.file_uploader(t("A text file with one prompt a line, or a data file"), ENDINGS, key="labelling.file")
    st.caption(t("The replies in a data file are shown to the annotators as answers that are known already."))
    if upload is None:
        return None

    def read() -> Iterator[Prompt | str]:
        with tempfile.TemporaryDirectory(dir=settings().var, prefix=".upload-") as folder:
            path = Path(folder) / (re.sub(r"[^\w.-]+", "_", upload.name)[-80:].lstrip(".") or "file")
            path.write_bytes(upload.getbuffer())
            yield from sources.file(path)

    return read


def _chats(queue: Queue) -> _Choice:
    ways: dict[str, tuple[str, Callable[[], Iterator[Prompt | str]]]] = {
        "bad": (t("Where a reply was judged bad, by anybody"), sources.judged_bad),
        "unjudged": (t("From my chats, where no reply was judged"), lambda: sources.own_chats(frame.person(), True)),
        "all": (t("From my chats, everything I asked"), lambda: sources.own_chats(frame.person(), False)),
    }
    chosen = st.radio(
        t("Which questions"), list(ways), format_func=lambda way: ways[way][0], key=f"labelling.chats.{queue.id}"
    )
    st.caption(t("What was said before a question comes along with it. Other people's chats stay theirs."))
    return ways[chosen][1]


def _dataset(queue: Queue) -> _Choice:
    names = [card.name for card in registry.list_datasets()]
    name = st.selectbox(
        t("Dataset"), names, index=None, placeholder=t("Choose a dataset"), key=f"labelling.dataset.{queue.id}"
    )
    st.caption(t("Its prompts are labelled anew; its replies are shown as answers that are known already."))
    return (lambda: sources.dataset(name)) if name else None
