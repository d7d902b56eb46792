"""Datasets: what there is, what is in it, and how to add to it."""

from typing import Any

import streamlit as st

from engine.data import registry
from engine.data.registry import Card
from pages.data.add import add_data
from pages.data.broken import broken_lines
from pages.data.rows import browse
from pages.data.sample import sample_button
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when

CHOSEN = "datasets.chosen"
OPEN = "datasets.open"  # what was just made; a choice set from within a dialog would be overruled by the browser's


def main() -> None:
    """The page."""
    frame.person()
    cards = registry.list_datasets()
    _head(bool(cards))
    if not cards:
        _empty()
        return
    left, right = st.columns([1, 2], gap="large")
    with left:
        card = _choose(cards)
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
        st.caption(t("Or add your own: JSON lines files, rows written by hand, or what people judged in Chat."))


def _choose(cards: list[Card]) -> Card:
    """The list; the address remembers the choice over a reload."""
    by_name = {card.name: card for card in cards}
    made = st.session_state.pop(OPEN, None)
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
    facts = [_kind(card), _rows(card.rows)]
    if card.broken:
        facts.append(t("{n} broken", n=card.broken))
    return " · ".join([*facts, when(card.created), literal(_origin(card), 60)])


def _show(card: Card) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(literal(card.name), width="stretch", anchor=False)
        if card.kind == "messages" and st.button(
            t("Train on this"), icon=":material/model_training:", key="datasets.train"
        ):
            st.session_state["lora.dataset"] = card.name
            st.switch_page("pages/train/lora.py")
        if st.button(t("Delete"), icon=":material/delete:", type="tertiary", key="datasets.delete"):
            st.dialog(t("Delete this dataset?"), width="small")(_confirm_delete)(card)
    tabs = [t("Rows"), t("About")]
    if card.broken:
        tabs.insert(1, t("Broken lines ({n})", n=card.broken))
    for label, tab in zip(tabs, st.tabs(tabs, on_change="rerun", key=f"datasets.tabs.{len(tabs)}"), strict=True):
        if not tab.open:
            continue
        with tab, frame.errors_shown():
            if label == tabs[0]:
                browse(card)
            elif label == tabs[-1]:
                _about(card)
            else:
                broken_lines(card)


def _about(card: Card) -> None:
    facts: dict[str, Any] = {
        t("Kind"): _kind(card),
        t("Rows"): f"{card.rows:,}",
        t("Added by hand"): f"{card.added:,}",
        t("Lines that could not be read"): f"{card.broken:,}",
        t("Created"): when(card.created),
        t("Comes from"): _origin(card),
        t("Filters"): ", ".join(card.filters) or t("none"),
        t("Content (SHA-256)"): card.content_sha256,
    }
    st.dataframe(
        {t("Fact"): list(facts), t("Value"): list(facts.values())},
        hide_index=True,
        column_config={t("Fact"): st.column_config.Column(width="small")},
        key="datasets.about",
    )


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


def _kind(card: Card) -> str:
    return {
        "messages": t("Conversations"),
        "preference": t("Pairs of replies"),
        "unpaired": t("Judged replies"),
    }[card.kind]


def _rows(n: int) -> str:
    return t("1 row") if n == 1 else t("{n} rows", n=f"{n:,}")


def _origin(card: Card) -> str:
    """The sources in words: file names, feedback, or who wrote it."""
    words = []
    for source in card.sources:
        if "file" in source:
            words.append(str(source["file"]))
        elif "feedback" in source:
            words.append(t("feedback"))
        elif "written_by" in source:
            words.append(t("written by {name}", name=source["written_by"]))
    return ", ".join(words) or t("unknown")


main()
