"""The versions of a dataset: what made each, what is in it, what differs between two, and the way back to one."""

from typing import Any

import streamlit as st

from engine.data import registry
from engine.data.compare import Difference, compare
from engine.data.editing import restore
from engine.data.registry import Card
from pages.data.rows import browse
from pages.data.talk import asked, talk
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when

_SHOWN = 5  # rows of each sort that a comparison shows


@st.fragment
def versions_tab(card: Card) -> None:
    """The tab."""
    with frame.errors_shown():
        cards = registry.versions(card.name)
        _table(cards)
        if len(cards) == 1:
            st.caption(t("Edit, clean or add rows, and the dataset as it is now stays here as version 1."))
            return
        look, differ = st.tabs(
            [t("Look at one"), t("Compare two")], on_change="rerun", key=f"datasets.versions.{card.name}"
        )
        if look.open:
            with look:
                _look(cards)
        if differ.open:
            with differ:
                _compare(cards)


def change_words(card: Card) -> str:
    """What made a version, in words."""
    change: dict[str, Any] = card.change
    n = change.get("rows", 0)
    words = {
        "imported": t("imported"),
        "created": t("made here"),
        "appended": t("rows added: {n}", n=n),
        "built": t("built from feedback, rows: {n}", n=n),
        "edited": t("row {n} edited", n=change.get("row")),
        "deleted": t("rows left out: {n}", n=n),
        "restored": t("version {n} restored", n=change.get("version")),
        "cleaned": t("cleaned"),
    }
    return words.get(change.get("action", ""), t("unknown"))


def _table(cards: list[Card]) -> None:
    st.dataframe(
        {
            t("Version"): [card.version for card in cards],
            t("What made it"): [change_words(card) for card in cards],
            t("Rows"): [f"{card.rows:,}" for card in cards],
            t("When"): [when(card.changed or card.created) for card in cards],
            t("By"): [card.change.get("by") or "" for card in cards],
        },
        hide_index=True,
        height="content" if len(cards) <= 8 else 320,
        key=f"datasets.versions.table.{cards[0].name}",
    )


def _look(cards: list[Card]) -> None:
    newest, *older = cards
    by_number = {card.version: card for card in older}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = by_number[_choose(t("Version"), by_number, 0, newest.name)]
        if st.button(t("Restore this version"), icon=":material/history:", key="datasets.restore"):
            new = restore(newest.name, chosen.version, frame.person())
            st.toast(t("Version {n} holds the rows of version {old}.", n=new.version, old=chosen.version))
            st.rerun()
    browse(chosen, editable=False)


def _compare(cards: list[Card]) -> None:
    by_number = {card.version: card for card in cards}
    with st.container(horizontal=True):
        old = _choose(t("From version"), by_number, 1, cards[0].name)
        new = _choose(t("To version"), by_number, 0, cards[0].name)
    with st.spinner(t("Comparing …"), show_time=True):
        before, after = by_number[old], by_number[new]
        found = _difference(before.name, before.content_sha256, old, after.content_sha256, new)
    numbers = {
        t("the same"): found.kept,
        t("changed"): found.changed_rows,
        t("taken out"): found.removed_rows,
        t("new"): found.added_rows,
    }
    with st.container(horizontal=True, gap="large"):
        for label, value in numbers.items():
            st.metric(label, f"{value:,}", width="content")
    for number, (i, j) in enumerate(found.changed):
        left, right = st.columns(2)
        with left:
            _row(before, i, t("before"), expanded=number == 0)
        with right:
            _row(after, j, t("after"), expanded=number == 0)
    for i in found.removed:
        _row(before, i, t("taken out"))
    for j in found.added:
        _row(after, j, t("new"))


@st.cache_data(max_entries=20, show_spinner=False)
def _difference(name: str, before: str, old: int, after: str, new: int) -> Difference:
    """Kept, since every click asks again; `before` and `after` tell a dataset from another that had its name."""
    return compare(name, old, new, _SHOWN)


def _row(card: Card, number: int, title: str, expanded: bool = False) -> None:
    row = registry.rows(card.reference, number, 1)[0]
    label = f"{title} · {number + 1} · {literal(asked(row), 60)}"
    with st.expander(label, expanded, key=f"datasets.compare.{title}.{number}"):
        talk(row)


def _choose(label: str, cards: dict[int, Card], index: int, name: str) -> int:
    return st.selectbox(
        label,
        list(cards),
        index=min(index, len(cards) - 1),
        format_func=lambda n: f"{n} · {change_words(cards[n])}",
        key=f"datasets.versions.{label}.{name}.{max(cards)}",
    )
