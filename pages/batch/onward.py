"""What the replies of a batch are for: a file, a dataset to learn from, or work for the labelling desk."""

import tempfile
from functools import partial
from pathlib import Path

import streamlit as st

from engine.batch import onward as ways
from engine.batch.results import Counts, results
from engine.batch.source import spec_of
from engine.batch.spec import BatchSpec
from engine.batch.writing import ENDINGS, write_failed, write_results
from engine.runs import Run
from engine.settings import settings
from pages.batch.scores import side_name
from pages.data.labelling_settings import OPEN as OPEN_QUEUE
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.run_panel import OPEN as OPEN_DATASET

_AT_ONCE = 50_000
"""Rows that are written while the person waits."""


def onward(run: Run) -> None:
    """The buttons; nothing before the first reply."""
    counts = results(run)
    if not counts.done + counts.failed:
        return
    spec = spec_of(run)
    with st.container(horizontal=True, vertical_alignment="center", key="batch.onward"):
        kind = "primary" if run.status().state == "finished" else "secondary"
        if st.button(t("Download"), type=kind, icon=":material/download:", key="batch.download"):
            st.dialog(t("Download the replies"), width="small")(_download)(run, counts, spec)
        if counts.done:
            if st.button(t("Make a dataset of it"), icon=":material/dataset:", key="batch.dataset"):
                st.dialog(t("A dataset of questions and replies"), width="small")(_dataset)(run, spec)
            if st.button(t("To the labelling desk"), icon=":material/edit_note:", key="batch.desk"):
                st.dialog(t("Work for the labelling desk"), width="small")(_desk)(run, spec)


def _download(run: Run, counts: Counts, spec: BatchSpec) -> None:
    if counts.left:
        st.caption(t("Rows that were not asked yet have an empty reply: {n}.", n=f"{counts.left:,}"))
    own = next((ending for ending in ENDINGS if spec.file.name.lower().endswith(ending)), ENDINGS[0])
    ending = st.selectbox(t("File type"), ENDINGS, index=ENDINGS.index(own), key=f"batch.ending.{run.id}")
    name = f"{spec.file.name.split('.')[0]}-replies{ending}"
    with frame.errors_shown():
        if counts.rows <= _AT_ONCE:
            _button(t("Download"), partial(_content, run, name), name, "batch.download.file")
        else:
            _on_disk(run, name)
    if counts.failed + counts.marked:
        failed = f"{spec.file.name.split('.')[0]}-failed.jsonl"
        _button(t("Failed or marked rows"), partial(_failed, run), failed, "batch.download.failed")


def _button(label: str, content, name: str, key: str) -> None:
    kind = "primary" if key == "batch.download.file" else "tertiary"
    st.download_button(
        label, content, file_name=name, type=kind, icon=":material/download:", on_click="ignore", key=key
    )


def _on_disk(run: Run, name: str) -> None:
    """A large file, on the machine that the studio runs on."""
    file = settings().var / "exports" / f"{run.id}-{name}"
    st.caption(t("It is large: it is written to this file of the machine that the studio runs on."))
    st.code(str(file), language=None, wrap_lines=True)
    if st.button(t("Write the file"), type="primary", icon=":material/save:", key="batch.download.write"):
        file.parent.mkdir(exist_ok=True)
        with st.spinner(t("Writing …"), show_time=True):
            write_results(run, file)
        st.success(t("The file is there."), icon=":material/check:")


def _content(run: Run, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_results(run, path)
        return path.read_bytes()


def _failed(run: Run) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "failed.jsonl"
        write_failed(run, path)
        return path.read_bytes()


def _dataset(run: Run, spec: BatchSpec) -> None:
    st.markdown(t("What was asked and what was replied, row by row: to look through, mend and train on."))
    name, side = _name_and_side(run, spec, t("Name of the dataset"))
    if st.button(t("Make it"), type="primary", disabled=not name, key="batch.dataset.make"):
        with frame.errors_shown(), st.spinner(t("Writing …")):
            st.session_state[OPEN_DATASET] = ways.to_dataset(run, name, side).name
            st.switch_page("pages/data/datasets.py")


def _desk(run: Run, spec: BatchSpec) -> None:
    st.markdown(t("A queue of what was asked; people see the model's reply beside their work, and write a better one."))
    name, side = _name_and_side(run, spec, t("Name of the queue"))
    if st.button(t("Make it"), type="primary", disabled=not name, key="batch.desk.make"):
        with frame.errors_shown(), st.spinner(t("Adding the prompts …")):
            st.session_state[OPEN_QUEUE] = ways.to_labelling(run, name, frame.person(), side)[0].name
            st.switch_page("pages/data/labelling.py")


def _name_and_side(run: Run, spec: BatchSpec, label: str) -> tuple[str, str]:
    stem = spec.file.name.split(".")[0]
    name = st.text_input(label, f"{stem}-replies", max_chars=80, key=f"batch.onward.name.{run.id}").strip()
    sides = list(spec.sides)
    if len(sides) == 1:
        return name, sides[0]
    side = st.selectbox(
        t("Replies of"),
        sides,
        format_func=lambda side: side_name(spec, side).replace("\\", ""),
        key=f"batch.onward.side.{run.id}",
    )
    return name, side
