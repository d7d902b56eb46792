"""Uploaded files on disk: `var/uploads/<random>/<n>/<plain name>`, one random folder for all that go into one import.

A file's name comes from outside: it never decides where anything is written.
"""

import re
import secrets
import shutil
import time
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.settings import settings

_KEPT_SECONDS = 7 * 86_400
"""How long an upload waits for its import to be begun, or to be resumed."""


def on_disk(uploads: list[UploadedFile], use: str = "datasets") -> list[Path]:
    """The uploads as files; each is written once, when it is first seen.

    Args:
        uploads: of one uploader.
        use: what they are for; each use has folders of its own.
    """
    paths: dict[str, Path] = st.session_state.setdefault(_paths(use), {})
    for upload in uploads:
        if upload.file_id not in paths:
            path = folder(use) / str(len(paths)) / plain(upload.name)  # two uploads may have the same name
            path.parent.mkdir()
            path.write_bytes(upload.getbuffer())
            paths[upload.file_id] = path
    return [paths[upload.file_id] for upload in uploads]


def folder(use: str = "datasets") -> Path:
    """Where the uploads of the next import of this person lie."""
    if _folder(use) not in st.session_state:
        _remove_forgotten()
        made = settings().var / "uploads" / secrets.token_hex(8)
        made.mkdir(parents=True)
        st.session_state[_folder(use)] = made
    return st.session_state[_folder(use)]


def forget(use: str = "datasets") -> None:
    """The files now belong to a run, which removes them; the next upload gets a folder of its own."""
    st.session_state.pop(_folder(use), None)
    st.session_state.pop(_paths(use), None)


def plain(name: str) -> str:
    """A name that cannot leave its folder, whoever chose it."""
    return re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rpartition("/")[2])[-80:].lstrip(".") or "file"


def _folder(use: str) -> str:
    return f"{use}.uploads:folder"


def _paths(use: str) -> str:
    return f"{use}.uploads:paths"


def _remove_forgotten() -> None:
    for old in (settings().var / "uploads").glob("*"):
        if old.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
