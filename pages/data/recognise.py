"""What the studio takes a file for, with its first rows, before anything is imported; and which column is which."""

import json
from pathlib import Path
from typing import Any

import streamlit as st

from engine.data.readers import FORMATS, Layout, column_names, detect, detect_container, sample
from engine.errors import BadInput
from pages.shared.i18n import t
from pages.shared.labels import literal

_CONTAINERS = {"jsonl": "JSON Lines", "json": "JSON", "csv": "CSV", "tsv": "TSV", "parquet": "Parquet"}
_CELL = 200  # characters


def recognise(path: Path, format: str) -> dict[str, str] | None:
    """Show how a file will be read; where its columns say nothing, let the person say which is which.

    Args:
        path: the file.
        format: `auto`, or what the person says it is.

    Returns:
        For each field of the format that has another name in the file, that name; None while nobody has said it.

    Raises:
        BadInput: it cannot be read like that.
    """
    columns: dict[str, str] = {}
    try:
        layout = detect(path, format)
    except BadInput as unknown:
        container = detect_container(path)
        names = column_names(path, container)
        if len(names) < 2:  # any text is a table of one column
            raise unknown
        _rows(path, container)
        columns = _mapping(names, format)
        if not columns:
            return None
        layout = detect(path, format, columns)
    st.caption(_facts(layout), help=t("Recognised by the file's first hundred rows."))
    if not columns:
        _rows(path, layout)
    return columns


def _facts(layout: Layout) -> str:
    facts = [_CONTAINERS[layout.container], layout.format, layout.encoding.upper()]
    if layout.compression != "none":
        facts.append(layout.compression)
    return t("Recognised: {facts}", facts=" · ".join(facts))


def _rows(path: Path, layout: Layout) -> None:
    """The first rows as they stand in the file."""
    rows = sample(path, layout)
    names = {name: None for _, row in rows if isinstance(row, dict) for name in row}
    cells = {name: [_cell(row.get(name)) if isinstance(row, dict) else "" for _, row in rows] for name in names}
    numbers = {t("Line"): [str(number) for number, _ in rows]}
    broken = [t(row) if isinstance(row, str) else "" for _, row in rows]
    wrong = {t("What is wrong"): broken} if any(broken) else {}
    st.dataframe({**numbers, **cells, **wrong}, hide_index=True, height="content", key="datasets.files.sample")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _CELL else text[:_CELL] + "…"


def _mapping(names: list[str], format: str) -> dict[str, str]:
    """Which column holds which field of the format; `alpaca` if none was chosen."""
    fields = FORMATS[format if format in FORMATS else "alpaca"].fields
    st.markdown(t("Which column is which? For other fields, choose another format."))
    chosen: dict[str, str] = {}
    with st.grid(3, min_column_width=160):
        for field in fields:
            column = st.selectbox(
                literal(field),
                names,
                index=names.index(field) if field in names else None,
                placeholder=t("no column"),
                key=f"datasets.files.column.{field}",
            )
            if column:
                chosen[field] = column
    return {field: column for field, column in chosen.items() if field != column}
