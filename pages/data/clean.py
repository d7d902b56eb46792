"""Cleaning a dataset: the steps to choose, a run that takes them, and the report of the last one."""

from typing import Any

import streamlit as st

from engine.data import registry
from engine.data.cleaning import Cleaning, Example, Report
from engine.data.cleaning.language import LANGUAGES
from engine.data.registry import Card
from engine.data.specs import CleanSpec
from pages.data import at_work
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.text import harmless

_SHOWN = 3  # examples of each reason


def clean_tab(card: Card) -> None:
    """The tab."""
    key = f"datasets.clean.{card.name}"
    options = _steps(key)
    st.caption(t("What is kept becomes the next version; the one before stays in the Versions tab."))
    if st.button(t("Clean"), type="primary", icon=":material/mop:", key=f"{key}.start"):
        with frame.errors_shown():
            at_work.begin(CleanSpec(dataset=card.name, options=options, by=frame.person()))
            st.rerun()
    cleaned = next((each for each in registry.versions(card.name) if each.change.get("action") == "cleaned"), None)
    if cleaned:
        _report(cleaned)


def _steps(key: str) -> Cleaning:
    """The form."""
    chosen: dict[str, Any] = {}
    with st.grid(2, min_column_width=240):
        for field, label in {
            "normalise": t("Bring texts to one spelling"),
            "drop_empty": t("Leave out empty turns"),
        }.items():
            chosen[field] = st.toggle(label, key=f"{key}.{field}", help=_help(field))
        chosen["mask"] = _many(key, "mask", t("Mask personal data"), _personal(), t("none"))
        chosen["languages"] = _many(key, "languages", t("Languages kept"), {code: code for code in LANGUAGES}, t("all"))
        chosen["dedup"] = _repeated(key)
        chosen["min_chars"] = st.number_input(
            t("Shortest reply, in characters"), 0, 100_000, 0, key=f"{key}.min_chars", help=_help("min_chars")
        )
        if chosen["dedup"] == "near":
            chosen["similarity"] = st.slider(
                t("Likeness"), 0.5, 1.0, 0.8, 0.05, key=f"{key}.similarity", help=_help("similarity")
            )
    return Cleaning(**chosen)


def _many(key: str, field: str, label: str, names: dict[str, str], empty: str) -> list[str]:
    return st.multiselect(
        label,
        list(names),
        format_func=names.__getitem__,
        key=f"{key}.{field}",
        help=_help(field),
        placeholder=empty,
    )


def _personal() -> dict[str, str]:
    return {
        "email": t("e-mail addresses"),
        "phone": t("phone numbers"),
        "id_number": t("ID numbers"),
        "bank_card": t("bank cards"),
        "ip": t("IP addresses"),
    }


def _repeated(key: str) -> str:
    names = {"none": t("keep"), "exact": t("leave out equal ones"), "near": t("leave out near ones too")}
    return st.selectbox(
        t("Repeated rows"), list(names), format_func=names.__getitem__, key=f"{key}.dedup", help=_help("dedup")
    )


def _help(field: str) -> str:
    return t(Cleaning.model_fields[field].description or "")


def _report(cleaned: Card) -> None:
    report = Report.model_validate(cleaned.change["report"])
    st.subheader(t("The last cleaning"), anchor=False)
    st.markdown(
        t(
            "Version {n}, {when}: {kept} of {all} rows were kept.",
            n=cleaned.version,
            when=when(cleaned.changed),
            kept=f"{report.rows_kept:,}",
            all=f"{report.rows_in:,}",
        )
    )
    for title, counts in ((t("left out"), report.dropped), (t("changed"), report.changed)):
        for reason, n in sorted(counts.items(), key=lambda pair: -pair[1]):
            label = f"{title} · {t(reason)} · {n:,}"
            with st.expander(label, key=f"datasets.cleaned.{cleaned.reference}.{reason}"):
                for example in report.examples.get(reason, [])[:_SHOWN]:
                    _example(example)


def _example(example: Example) -> None:
    st.caption(t("Row {n}", n=example.row + 1))
    after, title = (example.after, t("after")) if example.after is not None else (example.other, "")
    if example.other_row is not None:
        title = t("repeats row {n}", n=example.other_row + 1)
    for column, text, caption in zip(st.columns(2), (example.before, after), (t("before"), title), strict=True):
        if text is not None:
            with column.container(border=True):
                st.caption(literal(caption))
                st.markdown(harmless(text) or "–")
