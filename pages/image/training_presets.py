"""Presets of the DreamBooth form: for machines of several sizes, and those that people have saved."""

from typing import Any

import streamlit as st

from engine.training.dreambooth_spec import PRESETS, DreamboothSpec, parse_dreambooth
from engine.training.presets import OF_ONE_SUBJECT, list_presets, load_preset, save_preset
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.train.fields import asked

_OTHER = {
    "images": "any",
    "adapter": "any",
    "instance_prompt": "any",
    "class_prompt": "any",
}  # what a preset leaves open
_SAID = "image.teach.preset:said"


def preset_menu(form: Form) -> None:
    """One click sets the fields below."""
    machines = {"cpu": "CPU", "8gb": "8 GB", "12gb": "12 GB", "24gb": "24 GB"}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("Settings for"), width="content")
        for name, label in machines.items():
            st.button(label, key=f"image.teach.machine.{name}", on_click=_use_machine, args=(form, name))
        with st.popover(t("Saved presets"), icon=":material/tune:", key="image.teach.presets"):
            _saved(form)
    if said := st.session_state.pop(_SAID, None):
        st.success(said, icon=":material/check:")


def _use_machine(form: Form, name: str) -> None:
    """The fields that any of these presets sets; the others stay as they are."""
    fields = {field for preset in PRESETS.values() for field in preset}
    plain = {field: DreamboothSpec.model_fields[field].default for field in fields}
    _apply(form, {**plain, **PRESETS[name]})


def _saved(form: Form) -> None:
    presets = list_presets(DreamboothSpec)
    if presets:
        name = st.selectbox(t("Saved presets"), list(presets), key="image.teach.preset", label_visibility="collapsed")
        st.button(t("Use it"), key="image.teach.preset.use", on_click=_use_saved, args=(form, name))
    else:
        st.caption(
            t("A preset keeps every setting but the pictures, the prompts and the adapter's name. None is saved yet.")
        )
    name = st.text_input(t("Keep the form's settings as"), key="image.teach.preset.name", max_chars=80).strip()
    if st.button(t("Save preset"), disabled=not name, key="image.teach.preset.save"):
        with frame.errors_shown():
            values = {field: value for field, value in form.values().items() if field != "unload"}
            save_preset(name, parse_dreambooth({**asked(DreamboothSpec, values), **_OTHER}))
            st.success(t("Saved as “{name}”.", name=literal(name)))


def _use_saved(form: Form, name: str) -> None:
    with frame.errors_shown():
        _apply(form, load_preset(list_presets(DreamboothSpec)[name], DreamboothSpec))
        st.session_state[_SAID] = t("The form holds “{name}” now.", name=literal(name))


def _apply(form: Form, values: dict[str, Any]) -> None:
    checked = parse_dreambooth({**values, **_OTHER}).model_dump()
    for field in values.keys() - OF_ONE_SUBJECT:
        if field in form.defaults:
            kind = type(form.defaults[field])
            st.session_state[form.key(field)] = float(checked[field]) if kind is float else checked[field]
