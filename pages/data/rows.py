"""Looking through a dataset's rows: page by page or by words, each as a conversation, as the model sees it, or as JSON.

Rows of the newest version can be changed and left out; that makes another version.
"""

import streamlit as st

from engine.data import editing, registry
from engine.data.records import Record
from engine.data.registry import Card
from pages.data.edit import edit_row
from pages.data.preview import as_the_model_sees_it, choose_model
from pages.data.talk import asked, talk
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal

A_PAGE = 10


@st.fragment
def browse(card: Card, editable: bool = True) -> None:
    """The tab, for one version.

    Args:
        card: of the version.
        editable: whether rows may be changed and left out: those of the newest version.
    """
    place = f"{card.reference}.{editable}"
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        view = _view(place)
        words = st.text_input(
            t("Search"),
            key=f"datasets.search.{place}",
            placeholder=t("Search the rows"),
            icon=":material/search:",
            label_visibility="collapsed",
            width="stretch",
        )
    with frame.errors_shown():
        numbers = _found(card, words, place) if words else _page(card, place)
        tokenizer = choose_model(f"datasets.model.{place}") if view == "model" else None
        rows = [(number, row) for number in numbers for row in registry.rows(card.reference, number, 1)]
        keys = {number: f"datasets.row.{place}.{number}" for number in numbers}
        if editable:
            _delete_chosen(card, [number for number in numbers if st.session_state.get(f"{keys[number]}.choose")])
        for number, row in rows:
            with _box(number, row, keys[number], editable, number == numbers[0]) as box:
                if not box.open:
                    continue
                if view == "json":
                    st.json(row.model_dump(exclude_defaults=True))
                elif tokenizer:
                    as_the_model_sees_it(row, tokenizer, keys[number])
                else:
                    talk(row)
                if editable:
                    _change(card, number, row, keys[number])


def _view(place: str) -> str:
    views = {"talk": t("Conversation"), "model": t("As the model sees it"), "json": t("JSON")}
    return st.segmented_control(
        t("Show each row as"),
        views,
        format_func=views.__getitem__,
        default="talk",
        required=True,
        key=f"datasets.view.{place}",
        label_visibility="collapsed",
    )


def _page(card: Card, place: str) -> list[int]:
    """The numbers of the rows of the page chosen, from 0."""
    pages = max(1, -(-card.rows // A_PAGE))
    page = st.pagination(pages, key=f"datasets.page.{place}") if pages > 1 else 1
    return list(range((page - 1) * A_PAGE, min(page * A_PAGE, card.rows)))


def _found(card: Card, words: str, place: str) -> list[int]:
    """The rows with these words, a page of them at a time."""
    key = f"datasets.search.{place}.{words}:start"
    with st.spinner(t("Searching …"), show_time=True):
        found = _hits(card.reference, card.content_sha256, words, st.session_state.get(key, 0))
    if not found:
        st.info(t("No further row has these words.") if key in st.session_state else t("No row has these words."))
    with st.container(horizontal=True):
        if len(found) > A_PAGE and st.button(t("Next hits"), icon=":material/arrow_forward:", key=f"{place}.next"):
            st.session_state[key] = found[A_PAGE]
            st.rerun(scope="fragment")
        if key in st.session_state and st.button(t("From the beginning"), type="tertiary", key=f"{place}.first"):
            del st.session_state[key]
            st.rerun(scope="fragment")
    return found[:A_PAGE]


@st.cache_data(max_entries=100, show_spinner=False)
def _hits(reference: str, content: str, words: str, start: int) -> list[int]:
    """Kept, since every click on a row asks again; `content` tells a dataset from another that had its name."""
    return registry.search(reference, words, start, A_PAGE + 1)


def _box(number: int, row: Record, key: str, editable: bool, first: bool):
    """The row's expander, beside a box to tick."""
    label = f"{number + 1} · {literal(asked(row))}"
    if not editable:
        return st.expander(label, expanded=first, key=key, on_change="rerun")
    with st.container(horizontal=True, wrap=False, key=f"{key}.line"):
        st.checkbox(
            t("Choose row {n}", n=number + 1), key=f"{key}.choose", label_visibility="collapsed", width="content"
        )
        return st.expander(label, expanded=first, key=key, on_change="rerun")


def _change(card: Card, number: int, row: Record, key: str) -> None:
    with st.container(horizontal=True):
        if st.button(t("Edit"), icon=":material/edit:", key=f"{key}.edit"):
            edit_row(card, number, row)
        if st.button(t("Leave out"), icon=":material/delete:", type="tertiary", key=f"{key}.delete"):
            _delete(card, [number])


def _delete_chosen(card: Card, chosen: list[int]) -> None:
    if chosen and st.button(
        t("Leave out the chosen rows ({n})", n=len(chosen)), icon=":material/delete:", key="datasets.rows.delete"
    ):
        _delete(card, chosen)


def _delete(card: Card, numbers: list[int]) -> None:
    new = editing.delete_rows(card.name, numbers, card.version, frame.person())
    st.toast(t("Version {n} is the newest now; the Versions tab brings older ones back.", n=new.version))
    st.rerun()
