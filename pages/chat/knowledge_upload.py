"""Files go into a knowledge base: uploaded here, read by a run in the background, each refused one named with its reason."""

from pathlib import Path

import streamlit as st

from engine.knowledge.bases import Base
from engine.knowledge.specs import IngestSpec
from pages.chat import knowledge_at_work as at_work
from pages.data import uploads
from pages.shared import frame
from pages.shared.i18n import t

ENDINGS = ["txt", "md", "pdf", "docx", "html", "htm", "csv", "tsv", "xlsx", "pptx", "json", "jsonl", "zip"]
_TURN = "knowledge.files:turn"
_FOLDER = "knowledge.files.folder"


def upload(base: Base) -> None:
    """The uploader and its button."""
    turn = st.session_state.get(_TURN, 0)
    whole = st.session_state.get(_FOLDER, False)
    sent = st.file_uploader(
        t("Documents: text, Markdown, PDF, Word, HTML, tables, slides, JSON, or a zip of them"),
        # a file of another kind is refused with a reason, not by the browser
        accept_multiple_files="directory" if whole else True,
        key=f"knowledge.files.{base.id}.{turn}.{whole}",
        help=t(
            "A file that the base has already is passed over; one with the same name and other content takes its place."
        ),
    )
    ready_made = _ready_made([file.name for file in sent], f"knowledge.passages.{base.id}.{turn}")
    with st.container(horizontal=True, vertical_alignment="center"):
        add = st.button(
            t("Add to the knowledge base"),
            type="primary",
            icon=":material/add:",
            disabled=not sent,
            key="knowledge.add",
        )
        st.toggle(t("A whole folder"), key=_FOLDER, help=t("The upload then takes a folder with all that is in it."))
    if add:
        with frame.errors_shown():
            use = _use(base)
            paths = uploads.on_disk(sent, use)
            names = [file.name for file in sent]  # shown, never a path
            at_work.begin(
                IngestSpec(base=base.id, files=paths, names=names, passages=ready_made, uploads=uploads.folder(use))
            )
            uploads.forget(use)
            st.session_state[_TURN] = turn + 1  # an empty uploader for the next files
            st.rerun()


def _ready_made(names: list[str], key: str) -> bool:
    if not names or not all(Path(name).suffix.lower() == ".jsonl" for name in names):
        return False
    return st.toggle(
        t("Ready-made passages"),
        key=key,
        help=t(
            "Each line is a passage: {example}. On, they are taken as they are; off, as one text that is split.",
            example='`{"id": "…", "text": "…"}`',
        ),
    )


def _use(base: Base) -> str:
    return f"knowledge.{base.id}"
