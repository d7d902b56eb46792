"""The file of a batch: uploaded, on this machine, or the sample; and what is in it."""

from pathlib import Path

import streamlit as st

from engine.batch import tables
from engine.batch.template import text_of
from pages.batch.form import file_of, take_sample
from pages.data import uploads
from pages.data.upload import offered
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

ENDINGS = ["csv", "tsv", "jsonl", "ndjson", "json", "xlsx", "parquet", "gz", "zst"]
_TURN = "batch.source:turn"


def source(form: Form) -> Path | None:
    """The chosen file with its first rows; without one, the ways to choose it."""
    file = file_of(form)
    if file is None:
        _choose(form)
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/table: **{literal(file.name)}** · {_size(file)}", width="content")
        st.button(
            t("Another file"),
            icon=":material/swap_horiz:",
            type="tertiary",
            key="batch.another",
            on_click=_forget,
            args=(form,),
        )
    return file


def first_rows(file: Path) -> None:
    """The first rows, as they stand in the file."""
    rows = tables.first_rows(file)
    columns = tables.columns(file)
    whole = [row for row in rows if not isinstance(row, str)]
    st.dataframe(
        {column: [text_of(row.get(column)) for row in whole] for column in columns},
        height="content",
        hide_index=True,
        key="batch.rows",
    )
    for number, row in enumerate(rows, start=1):
        if isinstance(row, str):
            st.caption(harmless(t("Row {n}: {reason}", n=number, reason=t(row))))


def _choose(form: Form) -> None:
    with st.container(border=True, key="batch.empty"):
        st.subheader(t("Which file?"), anchor=False)
        turn = st.session_state.get(_TURN, 0)
        sent = st.file_uploader(
            t("CSV, TSV, JSON lines, Excel or Parquet, with one row for each question"),
            ENDINGS,
            key=f"batch.upload.{turn}",
        )
        if sent is not None:
            (path,) = uploads.on_disk([sent], "batch")
            _take(form, path)
        on_machine = offered(ENDINGS)
        if on_machine:
            picked = st.selectbox(
                t("Files on this machine"),
                list(on_machine),
                index=None,
                placeholder=t("none"),
                key=f"batch.picked.{turn}",
            )
            if picked:
                _take(form, on_machine[picked])
        st.markdown(
            t(
                "No file at hand? The sample has twelve letters from customers, in English and Chinese, and asks of each "
                "whether its writer is happy."
            )
        )
        st.button(t("Load the sample"), icon=":material/download:", key="batch.sample", on_click=take_sample)


def _take(form: Form, path: Path) -> None:
    """Keep the choice, and show what is in the file."""
    st.session_state[form.key("file")] = str(path)
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1  # an empty uploader for the next file
    form.save()
    st.rerun()


def _forget(form: Form) -> None:
    st.session_state[form.key("file")] = ""
    uploads.forget("batch")


def _size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} KB"
