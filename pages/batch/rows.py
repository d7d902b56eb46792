"""The rows of a batch with their replies, and those that failed with the reason; one that is chosen is shown in full."""

from typing import Any

import streamlit as st

from engine.batch.replies import LENGTH, REPEATS
from engine.batch.results import Counts, Result, first_results, problems
from engine.batch.spec import BatchSpec
from engine.batch.tables import Row
from engine.batch.template import text_of
from engine.runs import Run
from pages.batch.scores import side_name
from pages.shared.i18n import t
from pages.shared.text import harmless

A_PAGE = 20


def rows(run: Run, counts: Counts, spec: BatchSpec) -> None:
    """A page of rows; nothing before the first reply."""
    there, troubled = counts.done + counts.failed, counts.failed + counts.marked
    if not there:
        return
    views = {"all": t("Replies")}
    if troubled:
        views["problems"] = t("Failed or marked ({n})", n=f"{troubled:,}")
    key = f"batch.rows.{run.id}"
    if st.session_state.get(key) not in views:
        st.session_state[key] = "all"
    view = st.segmented_control(
        t("Rows"), views, format_func=views.__getitem__, key=key, required=True, label_visibility="collapsed"
    )
    many = there if view == "all" else troubled
    pages = -(-many // A_PAGE)
    start = A_PAGE * (st.pagination(pages, key=f"{key}.page.{view}") - 1) if pages > 1 else 0
    if view == "all":
        _replies(first_results(run, start, A_PAGE), spec, f"{key}.table")
    else:
        _problems(problems(run, start, A_PAGE))


def _replies(found: list[tuple[Row, Result]], spec: BatchSpec, key: str) -> None:
    there = dict.fromkeys(column for row, _ in found if isinstance(row, dict) for column in row)
    columns = sorted(there, key=lambda column: column != spec.reference)  # the right answer stands beside the reply
    table: dict[str, list[Any]] = {t("Row"): [result.row for _, result in found]}
    for side in spec.sides:
        title = side_name(spec, side).replace("\\", "")
        table[title] = [result.replies.get(side, "") for _, result in found]
    if any(result.failed for _, result in found):
        table[t("Why it failed")] = [_why(result) for _, result in found]
    for column in columns:
        name = column if column not in table else f"{column} "
        table[name] = [text_of(row.get(column)) if isinstance(row, dict) else "" for row, _ in found]
    event = st.dataframe(
        table, hide_index=True, on_select="rerun", selection_mode="single-row", height="content", key=key
    )
    chosen = [place for place in event["selection"]["rows"] if place < len(found)]
    if chosen:
        _whole(*found[chosen[0]], spec)
    else:
        st.caption(t("Choose a row to read it in full."))


def _whole(row: Row, result: Result, spec: BatchSpec) -> None:
    with st.container(border=True, gap="small", key="batch.row"):
        st.caption(t("Row {n}", n=f"{result.row:,}"))
        for column, value in row.items() if isinstance(row, dict) else ():
            with st.container(gap=None):
                st.caption(harmless(column))
                st.text(text_of(value) or "–", width="stretch")
        for side in spec.sides:
            with st.container(gap=None):
                st.caption(f":material/smart_toy: {side_name(spec, side)}")
                st.text(result.replies.get(side) or "–", width="stretch")
        for said in result.said.values():
            with st.container(gap=None):
                st.caption(t("What the model said"))
                st.text(said or "–", width="stretch")
        for words in filter(None, (_why(result), _marks(result))):
            st.caption(harmless(words))


def _problems(found: list[Result]) -> None:
    why = t("What is wrong")
    table: dict[str, list[Any]] = {
        t("Row"): [result.row for result in found],
        why: [_why(result) or _marks(result) for result in found],
    }
    said = any(result.said for result in found)
    if said:
        table[t("What the model said")] = ["\n".join(result.said.values()) for result in found]
    table[t("Asked")] = [result.attempts for result in found]
    st.dataframe(
        table,
        column_config={
            why: st.column_config.TextColumn(width=240 if said else None)
        },  # both are seen beside each other
        hide_index=True,
        height="content",
        key="batch.problems",
    )


def _why(result: Result) -> str:
    """Why a row has no reply; a gap may hold a reason of the readers, which has its translation too."""
    if result.reason is None:
        return ""
    return t(result.reason, **{name: t(value) for name, value in result.reason_values.items()})


def _marks(result: Result) -> str:
    if REPEATS in result.marks:
        return t("The reply goes round in circles.")
    return t("The reply was cut at its longest.") if LENGTH in result.marks else ""
