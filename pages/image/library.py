"""The image adapters there are, as cards: what each one is called up with, where it comes from, and the ways on."""

import streamlit as st

from engine.adapters.formats.family import FAMILIES
from engine.adapters.store import Adapter, edit_card, list_adapters
from pages.image.library_covers import cover
from pages.image.library_files import delete_dialog, export_dialog, import_dialog
from pages.image.library_origin import origin
from pages.image.library_ways import DRAW, bounded, draw_with, open_tab
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal

_AT_ONCE = 12
"""Cards shown before somebody asks for more."""
_SHOWN = "image.library.shown"
_LONGEST = 500
"""Characters of trigger words."""


def library_tab() -> None:
    """The tab."""
    adapters = list_adapters("image")
    if not adapters:
        _empty()
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            t("Search"), placeholder=t("Name or trigger words"), key="image.library.search", icon=":material/search:"
        )
        if st.button(t("Import a file"), icon=":material/upload_file:", key="image.library.import"):
            import_dialog()
    found = [adapter for adapter in adapters if _matches(adapter, words)]
    if not found:
        st.caption(t("No adapter matches."))
    shown = st.session_state.get(_SHOWN, _AT_ONCE)
    with st.grid(3, min_column_width=235):
        for adapter in found[:shown]:
            with st.container(border=True, key=f"image.card.{adapter.name}"):
                _card(adapter)
    if len(found) > shown:
        st.button(t("Show more ({n})", n=len(found) - shown), key="image.library.more", on_click=_more, args=(shown,))


def _empty() -> None:
    with st.container(border=True, key="image.library.empty"):
        st.subheader(t("Nothing learnt yet"))
        st.markdown(
            t(
                "An adapter is a small file that teaches a picture model one thing: an object, a person, a style. Teach one "
                "with a few pictures, or bring a LoRA that you have from elsewhere."
            )
        )
        with st.container(horizontal=True):
            st.button(
                t("Teach it something"),
                type="primary",
                icon=":material/school:",
                key="image.library.teach",
                on_click=open_tab,
                args=("teach",),
            )
            if st.button(t("Import a file"), icon=":material/upload_file:", key="image.library.import"):
                import_dialog()


def _matches(adapter: Adapter, words: str) -> bool:
    text = f"{adapter.name} {adapter.card.trigger_words} {adapter.card.base_model}".lower()
    return all(word in text for word in words.lower().split())


def _more(shown: int) -> None:
    st.session_state[_SHOWN] = shown + _AT_ONCE


def _card(adapter: Adapter) -> None:
    st.image(cover(adapter), width="stretch")
    st.markdown(f"**{literal(adapter.name)}**")
    st.caption(_facts(adapter))
    _words(adapter)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(t("Draw with it"), icon=":material/brush:", key=f"{DRAW}.{adapter.name}"):
            draw_with(adapter.name)
        origin(adapter)
        if st.button(
            " ",
            icon=":material/download:",
            type="tertiary",
            help=t("Download the file"),
            key=f"image.export.{adapter.name}",
        ):
            export_dialog(adapter)
        if st.button(
            " ", icon=":material/delete:", type="tertiary", help=t("Delete"), key=f"image.delete.{adapter.name}"
        ):
            delete_dialog(adapter)


def _facts(adapter: Adapter) -> str:
    card = adapter.card
    base = FAMILIES[card.family] if card.family in FAMILIES and card.family != "other" else card.base_model
    facts = [literal(base, 40) if base else t("base unknown")]
    if adapter.rank is not None:
        facts.append(t("rank {rank}, alpha {alpha}", rank=adapter.rank, alpha=f"{adapter.alpha or 0:g}"))
    return " · ".join(facts)


def _words(adapter: Adapter) -> None:
    """What a person may say of it; kept as soon as it is typed."""
    words, weight = f"image.words.{adapter.name}", f"image.weight.{adapter.name}"
    st.session_state.setdefault(words, adapter.card.trigger_words[:_LONGEST])
    st.session_state.setdefault(weight, adapter.card.default_weight)
    edited = {"on_change": _edit, "args": (adapter.name, words, weight)}
    with st.container(horizontal=True):
        st.text_input(
            t("Trigger words"),
            key=words,
            max_chars=_LONGEST,
            placeholder=t("none"),
            help=t("The words of a prompt that call it up. Prompt writing keeps them."),
            **edited,
        )
        st.number_input(
            t("Default weight"),
            step=0.05,
            format="%g",
            key=weight,
            width=120,
            help=t("How strongly it takes part when it is chosen: higher shows more of it, below 0 takes it away."),
            **edited,
        )


def _edit(name: str, words: str, weight: str) -> None:
    with frame.errors_shown():
        edit_card(
            name,
            trigger_words=" ".join(st.session_state[words].split()),
            default_weight=bounded(st.session_state[weight]),
        )
        st.toast(t("Kept: “{name}”", name=literal(name)), icon=":material/check:")
