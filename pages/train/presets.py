"""Presets of the training form: keep the settings under a name, take them up again, carry them to another studio."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.errors import BadInput
from engine.settings import settings
from engine.training.presets import OF_ONE_RUN, list_presets, load_preset, save_preset
from engine.training.specs import parse_spec
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

_OTHER = dict.fromkeys(OF_ONE_RUN - {"from_adapter"}, "any")  # what a preset leaves open


def preset_menu(form: Form) -> None:
    """Draw it before the form's widgets: once these are drawn, their values cannot be changed."""
    with st.popover(t("Presets"), icon=":material/tune:", key="lora.presets"), frame.errors_shown():
        _load(form)
        _upload(form)
        _save(form)


def _load(form: Form) -> None:
    presets = list_presets()
    if not presets:
        st.caption(t("A preset keeps every setting but the dataset and the adapter's name. None is saved yet."))
        return
    name = st.selectbox(t("Saved presets"), list(presets), key="lora.preset")
    with st.container(horizontal=True):
        if st.button(t("Use it"), key="lora.preset.use"):
            _apply(form, load_preset(presets[name]))
            st.success(t("The form holds “{name}” now.", name=literal(name)))
        st.download_button(
            t("Download"),
            presets[name].read_bytes(),
            f"{name}.yaml",
            on_click="ignore",
            type="tertiary",
            key="lora.preset.download",
        )


def _upload(form: Form) -> None:
    upload = st.file_uploader(t("A preset file (YAML)"), ["yaml", "yml"], max_upload_size=1, key="lora.preset.file")
    if upload and st.button(t("Use the file"), key="lora.preset.use_file"):
        _apply(form, _read(upload))
        st.success(t("The form holds “{name}” now.", name=literal(upload.name)))


def _save(form: Form) -> None:
    name = st.text_input(t("Keep the form's settings as"), key="lora.preset.name", max_chars=80).strip()
    if st.button(t("Save preset"), disabled=not name, key="lora.preset.save"):
        values = {field: value for field, value in form.values().items() if field != "unload"}
        save_preset(name, parse_spec({**values, **_OTHER}))
        st.success(t("Saved as “{name}”.", name=literal(name)))


def _apply(form: Form, values: dict[str, Any]) -> None:
    checked = parse_spec({**values, **_OTHER}).model_dump()
    for field in values.keys() - OF_ONE_RUN:
        kind = type(form.defaults[field])
        st.session_state[form.key(field)] = float(checked[field]) if kind is float else checked[field]


def _read(upload: UploadedFile) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(dir=settings().var, prefix=".preset-") as file:
        file.write(upload.getbuffer())
        file.flush()
        try:
            return load_preset(Path(file.name))
        except BadInput as error:  # the person knows the file by its own name
            raise BadInput(error.sentence, **{**error.values, "path": upload.name}) from error
