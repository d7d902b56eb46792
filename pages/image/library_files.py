"""Adapters as files: one comes in from elsewhere, one goes out in the format that another program reads, one goes for good."""

import shutil
import tempfile
from pathlib import Path

import streamlit as st

from engine.adapters.export import export
from engine.adapters.importing import import_adapter
from engine.adapters.store import Adapter, delete_adapter
from engine.settings import settings
from pages.data import uploads
from pages.image.library_ways import open_tab
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.train.fields import free_name

_USE = "image.lora"
_READY = "image.export:ready"
_ENDINGS = ["safetensors", "zip", "pt", "pth", "ckpt", "bin"]
"""Pickles are taken by the uploader only to be told why they are refused."""
_MIB = 4096
"""Largest upload."""


def import_dialog() -> None:
    """Open the dialog that takes a file in."""
    st.dialog(t("Import a file"), width="medium")(_import)()


def export_dialog(adapter: Adapter) -> None:
    """Open the dialog that hands a file out."""
    st.dialog(t("Download “{name}”", name=literal(adapter.name)), width="small")(_export)(adapter)


def delete_dialog(adapter: Adapter) -> None:
    """Open the dialog that asks once more."""
    st.dialog(t("Delete this adapter?"), width="small")(_delete)(adapter)


def _import() -> None:
    st.caption(
        t(
            "A LoRA for Stable Diffusion 1.5, 2.1, SDXL or the starter: a .safetensors file of kohya's (A1111, ComfyUI) or "
            "diffusers', or a zip in PEFT's layout. What it is made for is found out by its layers."
        )
    )
    sent = st.file_uploader(t("The file"), _ENDINGS, max_upload_size=_MIB, key="image.import.file")
    stem = uploads.plain(Path(sent.name).stem).strip("._- ") if sent else ""
    name = st.text_input(
        t("Name of the adapter"), key="image.import.name", placeholder=free_name(stem) if stem else "", max_chars=80
    ).strip()
    if st.button(
        t("Import"), type="primary", icon=":material/upload_file:", disabled=sent is None, key="image.import.do"
    ):
        with frame.errors_shown(), st.spinner(t("Reading …"), show_time=True):
            assert sent is not None
            adapter = import_adapter(uploads.on_disk([sent], _USE)[0], name or free_name(stem))
            shutil.rmtree(uploads.folder(_USE), ignore_errors=True)
            uploads.forget(_USE)
            _say(adapter)
            open_tab("library")
            st.rerun()


def _say(adapter: Adapter) -> None:
    kinds = {
        "image": t("Imported: “{name}”", name=literal(adapter.name)),
        "chat": t("“{name}” is a chat adapter: you choose it on the Chat page.", name=literal(adapter.name)),
    }
    st.toast(kinds.get(adapter.card.kind, kinds["image"]), icon=":material/check:")


def _export(adapter: Adapter) -> None:
    formats = {
        "kohya": t("kohya: A1111, ComfyUI, Forge"),
        "diffusers": "diffusers",
        "peft": t("PEFT: a zip, with its card and cover"),
    }
    format = st.selectbox(t("Format"), list(formats), format_func=formats.__getitem__, key="image.export.format")
    fold = format != "peft" and st.toggle(
        t("Fold alpha into the weights"),
        key="image.export.fold",
        help=t(
            "For programs that do not look for alpha, such as older diffusers: else they use it too strongly or weakly."
        ),
    )
    with frame.errors_shown():
        st.download_button(
            t("Download"),
            _content(adapter, format, fold),
            f"{adapter.name}.{'zip' if format == 'peft' else 'safetensors'}",
            on_click="ignore",
            type="primary",
            icon=":material/download:",
            key="image.export.get",
        )


def _content(adapter: Adapter, format: str, fold: bool) -> bytes:
    """The file, made anew when something else is asked for."""
    wanted = (adapter.name, adapter.fingerprint, adapter.card.model_dump_json(), format, fold)
    if st.session_state.get(_READY, (None, b""))[0] != wanted:
        with tempfile.TemporaryDirectory(dir=settings().var) as folder, st.spinner(t("Writing …"), show_time=True):
            file = Path(folder) / ("adapter.zip" if format == "peft" else "adapter.safetensors")
            export(adapter.name, file, format, fold)
            st.session_state[_READY] = wanted, file.read_bytes()
    return st.session_state[_READY][1]


def _delete(adapter: Adapter) -> None:
    st.markdown(
        t("“{name}” goes for good. Pictures drawn with it stay, but cannot be drawn again.", name=literal(adapter.name))
    )
    with st.container(horizontal=True):
        if st.button(t("Delete"), type="primary", icon=":material/delete:", key="image.delete.yes"):
            with frame.errors_shown():
                delete_adapter(adapter.name)
                st.rerun()
        if st.button(t("Keep it"), key="image.delete.no"):
            st.rerun()
