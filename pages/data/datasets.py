"""Datasets: what there is, what is in it, and how to add to it."""

from collections.abc import Callable

import streamlit as st

from engine.data import registry
from engine.data.registry import Card
from pages.data.about import about, kind_words, origin
from pages.data.add import add_data
from pages.data.at_work import at_work
from pages.data.broken import broken_lines
from pages.data.clean import clean_tab
from pages.data.download import download
from pages.data.merge import merge
from pages.data.rows import browse
from pages.data.sample import sample_button
from pages.data.tokenise import tokenise_tab
from pages.data.versions import versions_tab
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.run_panel import OPEN

CHOSEN = "datasets.chosen"


def main() -> None:
    """The page."""
    frame.person()
    head = st.container()
    at_work()  # before the list: what a run has just made must be in it
    cards = registry.list_datasets()
    with head:
        _head(bool(cards))
    if not cards:
        _empty()
        return
    left, right = st.columns([1, 2], gap="large")
    with left:
        card = _choose(cards)
        if len(cards) > 1 and st.button(
            t("Merge datasets"), type="tertiary", icon=":material/merge:", key="datasets.merge"
        ):
            merge(cards)
    with right:
        _show(card)


def _head(primary: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(t("Datasets"), width="content")
        if st.button(
            t("Add data"), type="primary" if primary else "secondary", icon=":material/add:", key="datasets.add"
        ):
            add_data()
    st.caption(
        t("What a model learns from: conversations, or replies that people judged. Look through it, then train.")
    )


def _empty() -> None:
    with st.container(border=True, key="datasets.empty"):
        st.subheader(t("No dataset yet"))
        sample_button("datasets.sample")
        st.caption(t("Or add your own: files, rows written by hand, or what people judged in Chat."))


def _choose(cards: list[Card]) -> Card:
    """The list; the address remembers the choice over a reload."""
    by_name = {card.name: card for card in cards}
    made = st.session_state.pop(OPEN, None)  # a choice set from within a dialog would be overruled by the browser's
    if made or CHOSEN not in st.session_state:
        asked = made or st.query_params.get("dataset", "")
        st.session_state[CHOSEN] = asked if asked in by_name else cards[0].name
    with st.container(height=560 if len(cards) > 7 else "content", border=False):
        name = st.radio(
            t("Dataset"),
            by_name,
            format_func=lambda name: f"**{literal(name)}**",
            captions=[_caption(card) for card in cards],
            key=CHOSEN,
            label_visibility="collapsed",
        )
    st.query_params["dataset"] = name or cards[0].name
    return by_name[name or cards[0].name]


def _caption(card: Card) -> str:
    facts = [kind_words(card), t("1 row") if card.rows == 1 else t("{n} rows", n=f"{card.rows:,}")]
    if card.broken:
        facts.append(t("{n} broken", n=card.broken))
    return " · ".join([*facts, when(card.created), literal(origin(card), 60)])


def _show(card: Card) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(literal(card.name), width="stretch", anchor=False)
        if card.kind == "messages" and st.button(
            t("Train on this"), icon=":material/model_training:", key="datasets.train"
        ):
            st.session_state["lora.dataset"] = card.name
            st.switch_page("pages/train/lora.py")
        if st.button(t("Download"), icon=":material/download:", key="datasets.download"):
            download(card)
        if st.button(t("Delete"), icon=":material/delete:", type="tertiary", key="datasets.delete"):
            st.dialog(t("Delete this dataset?"), width="small")(_confirm_delete)(card)
    tabs = _tabs(card)
    key = f"datasets.tabs.{'.'.join(map(str, map(bool, (card.broken, card.kind == 'messages'))))}"
    for show, tab in zip(tabs.values(), st.tabs(list(tabs), on_change="rerun", key=key), strict=True):
        if tab.open:
            with tab, frame.errors_shown():
                show(card)


def _tabs(card: Card) -> dict[str, Callable[[Card], None]]:
    """What can be seen of a dataset, and done with it."""
    tabs: dict[str, Callable[[Card], None]] = {t("Rows"): browse}
    if card.broken:
        tabs[t("Broken lines ({n})", n=card.broken)] = broken_lines
    tabs |= {t("Versions"): versions_tab, t("Clean"): clean_tab}
    if card.kind == "messages":
        tabs[t("Tokenise")] = tokenise_tab
    return {**tabs, t("About"): about}


def _confirm_delete(card: Card) -> None:
    st.markdown(
        t("“{name}” and all that was prepared from it go. Adapters trained on it stay.", name=literal(card.name))
    )
    with st.container(horizontal=True):
        if st.button(t("Delete"), type="primary", icon=":material/delete:", key="datasets.delete.yes"):
            with frame.errors_shown():
                registry.delete(card.name)
                st.rerun()
        if st.button(t("Keep it"), key="datasets.delete.no"):
            st.rerun()


main()
