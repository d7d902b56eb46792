"""The knowledge bases on the left: choose one, make a new one, load the sample."""

import streamlit as st

from engine.knowledge import bases, sample
from engine.knowledge.bases import Base
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

CHOSEN = "knowledge.chosen"
OPEN = "knowledge.open"  # what was just made; a choice set from within a dialog would be overruled by the browser's
TAB = "knowledge.tab"  # the tab that is shown next
_MANY = 7


def choose_base(found: list[Base], wanted: str | None) -> Base:
    """The list; the address remembers the choice over a reload.

    Args:
        found: all bases.
        wanted: id of the one that a conversation just opened is about; None if it does not matter.
    """
    by_id = {base.id: base for base in found}
    if OPEN in st.session_state:
        _leave_conversation()
        wanted = st.session_state.pop(OPEN)
    if wanted or st.session_state.get(CHOSEN) not in by_id:
        asked = wanted or st.query_params.get("base", "")
        st.session_state[CHOSEN] = asked if asked in by_id else found[0].id
    with st.container(height=560 if len(found) > _MANY else "content", border=False, key="knowledge.bases"):
        chosen = st.radio(
            t("Knowledge base"),
            list(by_id),
            format_func=lambda base_id: f"**{literal(by_id[base_id].name)}**",
            captions=[_caption(base) for base in found],
            key=CHOSEN,
            on_change=_leave_conversation,
            label_visibility="collapsed",
        )
    st.query_params["base"] = chosen or found[0].id
    return by_id[chosen or found[0].id]


def new_base() -> None:
    """Open the dialog that makes one."""
    st.dialog(t("New knowledge base"), width="medium")(_new)()


def sample_button(key: str, primary: bool = True) -> None:
    """Make the sample base; the page then runs again and finds it."""
    if st.button(t("Load the sample"), type="primary" if primary else "secondary", icon=":material/download:", key=key):
        with frame.errors_shown(), st.spinner(t("Reading three short documents …")):
            st.session_state[OPEN] = sample.create().id
            st.session_state[TAB] = "ask"
            st.rerun()


def language_names() -> dict[str, str]:
    """What a base's documents may be written in."""
    return {
        "auto": t("Told by the first document"),
        "en": t("English"),
        "zh": t("Chinese, others, or several languages"),
    }


def _caption(base: Base) -> str:
    facts = [t("1 document") if base.documents == 1 else t("{n} documents", n=f"{base.documents:,}")]
    if base.passages:
        facts.append(t("1 passage") if base.passages == 1 else t("{n} passages", n=f"{base.passages:,}"))
    return " · ".join(facts)


def _leave_conversation() -> None:
    """Another base: its own last conversation comes up."""
    st.query_params.pop("c", None)


def _new() -> None:
    form = Form("knowledge.new", {"name": "", "description": "", "language": "auto"})
    st.text_input(t("Name"), key=form.key("name"), max_chars=80, placeholder=t("Any words, such as Travel rules"))
    st.text_input(
        t("Description"),
        key=form.key("description"),
        max_chars=300,
        placeholder=t("What is in it, for your colleagues"),
    )
    names = language_names()
    st.selectbox(
        t("Language of its documents"),
        list(names),
        key=form.key("language"),
        format_func=names.__getitem__,
        help=t(
            "Decides which embedding model finds passages by their meaning. It can be changed later in the settings; the "
            "documents are then indexed anew."
        ),
    )
    form.save()
    if st.button(t("Make it"), type="primary", key="knowledge.new.make"):
        with frame.errors_shown():
            values = form.values()
            made = bases.create(values["name"], values["description"], values["language"])
            st.session_state[OPEN] = made.id
            st.session_state[TAB] = "documents"
            form.clear()
            st.rerun()
