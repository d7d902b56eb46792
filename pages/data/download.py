"""A dataset as a file: a small one to download at once, a large one written by a run in the background."""

import tempfile
from pathlib import Path

import streamlit as st

from engine.data import registry
from engine.data.readers import FORMATS, WRITTEN
from engine.data.registry import Card
from engine.data.specs import ExportSpec
from engine.data.writers import write_file
from engine.settings import settings
from pages.data import at_work
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal

_ENDINGS = ["jsonl", "jsonl.gz", "jsonl.zst", "json", "csv", "tsv", "parquet"]
_READY = "datasets.download:ready"
_AT_ONCE = 50_000  # rows that are written while the person waits


def download(card: Card) -> None:
    """Open the dialog."""
    st.dialog(t("Download “{name}”", name=literal(card.name)), width="small")(_choose)(card)


def _choose(card: Card) -> None:
    formats = [name for name in WRITTEN if FORMATS[name].kind == card.kind]
    best = formats.index(card.kind)  # each kind has the name of the format that says all of it
    format = st.selectbox(t("Format"), formats, index=best, key="datasets.download.format")
    ending = st.selectbox(t("File type"), _ENDINGS, key="datasets.download.ending")
    name = f"{card.name}-{card.version}-{format}.{ending}"
    if card.rows < _AT_ONCE:
        _at_once(card, name, format)
        return
    file = settings().var / "exports" / name
    if file.exists():
        st.caption(t("The file is there:"))
    else:
        st.caption(t("It is large: a run writes it to this file of the machine that the studio runs on."))
    st.code(str(file), language=None, wrap_lines=True)
    if not file.exists() and st.button(
        t("Write the file"), type="primary", icon=":material/save:", key="datasets.download.run"
    ):
        with frame.errors_shown():
            file.parent.mkdir(exist_ok=True)
            at_work.begin(ExportSpec(dataset=card.reference, format=format, file=file))
            st.rerun()


def _at_once(card: Card, name: str, format: str) -> None:
    wanted = card.content_sha256, name
    if _ready(wanted) is None and st.button(
        t("Make the file"), type="primary", icon=":material/save:", key="datasets.download.make"
    ):
        with frame.errors_shown(), st.spinner(t("Writing …"), show_time=True):
            st.session_state[_READY] = wanted, _content(card, name, format)
            st.rerun(scope="fragment")
    content = _ready(wanted)
    if content is not None:
        st.download_button(
            t("Download"),
            content,
            file_name=name,
            icon=":material/download:",
            type="primary",
            on_click="ignore",
            key="datasets.download.file",
        )


def _ready(wanted: tuple[str, str]) -> bytes | None:
    """The file's content, if it was this one that was made last."""
    made, content = st.session_state.get(_READY, (None, None))
    return content if made == wanted else None


def _content(card: Card, name: str, format: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_file(registry.iterate(card.reference), path, format)
        return path.read_bytes()
