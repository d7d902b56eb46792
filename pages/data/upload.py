"""Files become a dataset: uploaded ones, or those that lie in the folder the studio's owner opened for it.

A file's name comes from outside: it never decides where anything is written.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.data import registry
from engine.data.readers import FORMATS
from engine.settings import settings
from pages.data.sample import NAME, sample_button
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t

ENDINGS = ["jsonl", "ndjson", "json"]


def from_files() -> None:
    """The tab."""
    form = Form("datasets.files", {"name": "", "format": "auto"})
    uploads = st.file_uploader(
        t("Files, one JSON object a line"), ENDINGS, accept_multiple_files=True, key="datasets.files.uploads"
    )
    offered = _offered()
    picked: list[str] = []
    if offered:
        picked = st.multiselect(t("Files on this machine"), list(offered), key="datasets.files.picked")
    names = [upload.name for upload in uploads] + picked
    left, right = st.columns(2)
    default = _plain(Path(names[0]).stem).strip("._- ") if names else ""
    name = left.text_input(
        t("Name of the dataset"), key=form.key("name"), placeholder=default or t("as the first file"), max_chars=80
    )
    format = right.selectbox(
        t("Format"),
        ["auto", *FORMATS],
        format_func=lambda name: t("Recognise it") if name == "auto" else name,
        key=form.key("format"),
        help=t(
            "Recognised by each file's first lines. Several files become one dataset if their rows are of one kind."
        ),
    )
    form.save()
    _formats()
    if st.button(t("Import"), type="primary", disabled=not names, key="datasets.files.import"):
        with frame.errors_shown(), st.spinner(t("Reading the files …")), _on_disk(uploads) as files:
            imported = registry.import_files(
                [*files, *(offered[file] for file in picked)], name.strip() or default, format
            )
            st.session_state["datasets.open"] = imported.name
            form.clear()
            st.rerun()
    if NAME not in {card.name for card in registry.list_datasets()}:
        st.divider()
        sample_button("datasets.files.sample", primary=False)


def _formats() -> None:
    with st.expander(t("What a line looks like")):
        st.code(
            '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}\n'
            '{"prompt": "…", "completion": "…"}\n'
            '{"prompt": "…", "chosen": "…", "rejected": "…"}\n'
            '{"prompt": "…", "completion": "…", "label": true}',
            language="json",
            wrap_lines=True,
        )
        st.caption(t("The first two are conversations, the third pairs of replies, the fourth judged replies."))


def _offered() -> dict[str, Path]:
    """Files that lie directly in the import folder, by name; a link that leads out of it is none of them."""
    folder = settings().import_folder
    if folder is None or not folder.is_dir():
        return {}
    root = folder.resolve()
    files = (path for path in sorted(root.iterdir()) if path.suffix.lstrip(".") in ENDINGS)
    return {path.name: path for path in files if path.is_file() and path.resolve().parent == root}


@contextmanager
def _on_disk(uploads: list[UploadedFile]) -> Iterator[list[Path]]:
    """The uploads as files, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(dir=settings().var, prefix=".upload-") as folder:
        files = []
        for number, upload in enumerate(uploads):
            path = Path(folder) / str(number) / _plain(upload.name)  # two uploads may have the same name
            path.parent.mkdir()
            path.write_bytes(upload.getbuffer())
            files.append(path)
        yield files


def _plain(name: str) -> str:
    """A name that cannot leave its folder, whoever chose it."""
    return re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rpartition("/")[2])[-80:].lstrip(".") or "file"
