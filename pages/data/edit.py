"""A row changed by hand, turn by turn or as JSON; what is saved makes the dataset's next version."""

import json
from typing import Any

import streamlit as st

from engine.data import editing
from engine.data.records import RECORDS, Record, plain_reason
from engine.data.registry import Card
from engine.errors import BadInput
from pages.shared import frame
from pages.shared.i18n import t

_PARTS = ("messages", "prompt", "chosen", "rejected", "completion")


def edit_row(card: Card, number: int, row: Record) -> None:
    """Open the dialog for a row (its number from 0) of the version that the card is of."""
    st.dialog(t("Edit row {n}", n=number + 1), width="medium")(_form)(card, number, row)


def _form(card: Card, number: int, row: Record) -> None:
    key = f"datasets.edit.{card.reference}.{number}"
    fields = row.model_dump(exclude_defaults=True)
    as_json = st.toggle(t("Edit as JSON"), key=f"{key}.json")
    typed = _json(fields, key) if as_json else _turns(fields, key)
    if st.button(t("Save"), type="primary", key="datasets.edit.save"):
        with frame.errors_shown():
            new = editing.replace_row(card.name, number, _checked(card, typed), card.version, frame.person())
            st.toast(t("Version {n} is the newest now; the Versions tab brings older ones back.", n=new.version))
            st.rerun()


def _json(fields: dict[str, Any], key: str) -> str:
    text = json.dumps(fields, ensure_ascii=False, indent=1)
    return st.text_area(t("JSON"), text, key=f"{key}.text", height=400, label_visibility="collapsed")


def _turns(fields: dict[str, Any], key: str) -> dict[str, Any]:
    """The row with what stands in the boxes."""
    names = {"system": t("System"), "user": t("User"), "assistant": t("Assistant")}
    parts = {"chosen": t("Better reply"), "rejected": t("Worse reply")}
    typed = dict(fields)
    for part in [part for part in _PARTS if part in fields]:
        turns = []
        for place, turn in enumerate(fields[part]):
            label = parts.get(part) or names[turn["role"]]
            text = st.text_area(label, turn["content"], key=f"{key}.{part}.{place}", height="content")
            turns.append({**turn, "content": text})
        typed[part] = turns
    if "label" in fields:
        typed["label"] = st.toggle(t("A good reply"), fields["label"], key=f"{key}.label")
    return typed


def _checked(card: Card, typed: dict[str, Any] | str) -> Record:
    record = RECORDS[card.kind]
    try:
        return record.model_validate(json.loads(typed) if isinstance(typed, str) else typed)
    except json.JSONDecodeError as error:
        raise BadInput("This is not JSON: line {line} cannot be read.", line=error.lineno) from error
    except ValueError as error:
        raise BadInput("The row cannot be used: {reason}.", reason=t(plain_reason(error))) from error
