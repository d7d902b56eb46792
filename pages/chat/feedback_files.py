"""Judgements out of the studio and into it, as files of JSON lines."""

import json
import tempfile
from functools import partial
from pathlib import Path

import streamlit as st

from engine.feedback.export import FORMATS, Imported, import_jsonl
from engine.feedback.store import FeedbackFilter, count, find
from pages.shared import frame
from pages.shared.i18n import t

TABS = "feedback.tabs"
_DONE = "feedback.imported"
_TURN = "feedback.import.turn"
_BROKEN_SHOWN = 200


def export(filters: FeedbackFilter) -> None:
    """Four files to download, each with its number of rows."""
    st.subheader(t("Export"))
    st.caption(t("What the filter above lets through, as JSON lines: the number of rows, and the file."))
    with st.spinner(t("Counting…")):
        numbers = _numbers(filters, count(filters))
    names = {
        "jsonl": (t("Everything"), t("Each judgement whole; another studio can import it.")),
        "sft": (t("Conversations"), t("Good replies, winners and corrections, for supervised training.")),
        "preference": (t("Pairs"), t("A better and a worse reply to the same question, for DPO and reward models.")),
        "unpaired": (t("Labelled replies"), t("Single replies marked good or bad, for KTO.")),
    }
    with st.grid(4, min_column_width=180):
        for format, (title, use) in names.items():
            with st.container(border=True, height="stretch", vertical_alignment="distribute"):
                st.metric(title, f"{numbers[format]:,}")
                st.caption(use)
                st.download_button(
                    t("Download"),
                    partial(_lines, filters, format),
                    file_name=f"feedback-{format}.jsonl",
                    mime="application/jsonl",
                    icon=":material/download:",
                    key=f"feedback.export.{format}",
                    disabled=not numbers[format],
                    on_click="ignore",
                    width="stretch",
                )


def import_() -> None:
    """Take in a file; what it holds already is not taken twice."""
    st.subheader(t("Import"))
    st.caption(
        t(
            "JSON lines with at least a prompt and a reply, such as the file “Everything” of another studio, or its judgements "
            "of pictures. Judgements that are here already are left as they are."
        )
    )
    if done := st.session_state.get(_DONE):
        _report(*done)
    file = st.file_uploader(
        t("File of judgements"),
        type=["jsonl", "json", "ndjson"],
        key=f"feedback.import.{st.session_state.get(_TURN, 0)}",
        label_visibility="collapsed",
        max_upload_size=200,
    )
    if file and st.button(t("Import"), type="primary", icon=":material/upload:", key="feedback.import"):
        with frame.errors_shown(), st.spinner(t("Importing…"), show_time=True):
            st.session_state[_DONE] = (file.name, _take(file.getbuffer()))
            st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1  # an empty uploader for the next file
            if TABS not in st.session_state:  # the first file of an empty studio: its report is in this tab
                st.session_state[TABS] = t("Export and import")
            st.rerun()


def _take(content: memoryview) -> Imported:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as temporary:
        temporary.write(content)
        temporary.flush()
        return import_jsonl(Path(temporary.name), frame.person())


def _report(name: str, done: Imported) -> None:
    with st.container(border=True):
        st.text(name)
        st.markdown(
            t(
                "**{new}** new judgements, {known} were here already, {broken} lines could not be read.",
                new=done.rows - done.known,
                known=done.known,
                broken=len(done.broken),
            )
        )
        if done.broken:
            shown = list(done.broken.items())[:_BROKEN_SHOWN]
            st.dataframe(
                {t("Line"): [number for number, _ in shown], t("What is wrong"): [t(reason) for _, reason in shown]},
                hide_index=True,
                height="content" if len(shown) <= 8 else 320,
                key="feedback.import.broken",
            )


@st.cache_data(ttl=30, max_entries=20, show_spinner=False)
def _numbers(filters: FeedbackFilter, found: int) -> dict[str, int]:
    """The rows of each format; kept for half a minute, and counted anew when `found` changes."""
    rows = find(filters)[::-1]
    return {format: len(make(rows)) for format, make in FORMATS.items()}


def _lines(filters: FeedbackFilter, format: str) -> str:
    rows = FORMATS[format](reversed(find(filters)))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
