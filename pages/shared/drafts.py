"""Forms that survive: what was typed comes back after a reload, a page change or a restart of the server."""

from typing import Any

import streamlit as st

from engine.drafts import drop_draft, load_draft, save_draft
from pages.shared.frame import person


class Form:
    """A form whose widgets' keys begin with its name: ``form = Form("lora"); st.text_input(…, key=form.key("dataset"))``.

    Args:
        name: of the form, unique in the studio.
        defaults: the value each field has when nothing was typed yet.
    """

    def __init__(self, name: str, defaults: dict[str, Any]):
        self.name = name
        self.defaults = defaults
        saved = None
        for field, default in defaults.items():
            if self.key(field) not in st.session_state:
                saved = load_draft(person(), name) if saved is None else saved
                st.session_state[self.key(field)] = saved.get(field, default)

    def key(self, field: str) -> str:
        """The widget key of a field."""
        return f"{self.name}.{field}"

    def values(self) -> dict[str, Any]:
        """What the fields hold now."""
        return {field: st.session_state[self.key(field)] for field in self.defaults}

    def save(self) -> None:
        """Keep what was typed; call it at the end of the form. Writes only what changed.

        As a callback it may come after the form was sent and cleared (a field's change that the browser sent late): then
        there is nothing to keep.
        """
        if any(self.key(field) not in st.session_state for field in self.defaults):
            return
        values = self.values()
        if values != st.session_state.get(f"{self.name}:saved"):
            save_draft(person(), self.name, values)
            st.session_state[f"{self.name}:saved"] = values

    def clear(self) -> None:
        """Back to the defaults, after the form was sent. For a callback: widgets already drawn cannot be changed."""
        drop_draft(person(), self.name)
        for field in self.defaults:
            st.session_state.pop(self.key(field), None)
        st.session_state.pop(f"{self.name}:saved", None)
