"""Which judgements the page is about. The choice stays while the person visits other pages."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.feedback import pictures
from engine.feedback.schema import Verdict
from engine.feedback.store import FeedbackFilter, known_values
from pages.shared.i18n import t

_ANY = "any"
_MORE = ("annotator", "kind", "adapter", "model", "since", "until")


def show() -> FeedbackFilter:
    """Draw the filter and say what it lets through."""
    st.session_state.setdefault("feedback.verdict", _ANY)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            t("Search"),
            key="feedback.text",
            placeholder=t("Search questions, replies, corrections and comments"),
            icon=":material/search:",
            label_visibility="collapsed",
            persist_state="session",
            max_chars=200,
            width=360,
        )
        verdict = st.segmented_control(
            t("Verdict"),
            [_ANY, "good", "bad"],
            format_func={_ANY: t("All"), "good": t("Good"), "bad": t("Bad")}.__getitem__,
            key="feedback.verdict",
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        with _more():
            rest = _fields()
        if any(value is not None for value in rest.values()) or words or verdict != _ANY:
            st.button(
                t("Clear"), type="tertiary", icon=":material/filter_alt_off:", key="feedback.clear", on_click=_clear
            )
    verdict = None if verdict == _ANY else cast(Verdict, verdict)
    return FeedbackFilter(text=words or "", verdict=verdict, **rest)


def _more() -> DeltaGenerator:
    chosen = sum(st.session_state.get(f"feedback.{name}") is not None for name in _MORE)
    label = t("More filters ({n} set)", n=chosen) if chosen else t("More filters")
    return st.popover(label, icon=":material/filter_alt:", key="feedback.more")


def _fields() -> dict[str, Any]:
    kinds = {"rating": t("Rating"), "comparison": t("Comparison"), "kept": t("Kept over another")}
    people = sorted({*known_values("annotator"), *pictures.annotators()})
    annotator = _choice(t("Judged by"), "annotator", people)
    kind = _choice(t("Kind"), "kind", list(kinds), kinds.__getitem__)
    adapters = known_values("adapter", "adapter_b")
    adapter = _choice(t("Adapter"), "adapter", adapters, lambda name: name or t("none (the base model)"))
    models = [name for name in known_values("model", "model_b") if name]
    model = _choice(t("Model"), "model", models)
    first, last = st.columns(2)
    since = _day(first, t("From"), "since")
    until = _day(last, t("To"), "until")
    return {
        "annotator": annotator,
        "kind": kind,
        "adapter": adapter,
        "model": model,
        "since": since and _begin(since),
        "until": until and _begin(until + timedelta(days=1)),
    }


def _choice(label: str, name: str, options: list[str], said: Callable[[str], str] = str) -> str | None:
    return st.selectbox(
        label,
        options,
        index=None,
        format_func=said,
        key=f"feedback.{name}",
        placeholder=t("All"),
        persist_state="session",
    )


def _day(place, label: str, name: str) -> date | None:
    return place.date_input(label, value=None, key=f"feedback.{name}", format="YYYY-MM-DD", persist_state="session")


def _begin(day: date) -> datetime:
    """A day's first moment, where the reader is."""
    return datetime.combine(day, time(), ZoneInfo(st.context.timezone or "UTC"))


def _clear() -> None:
    st.session_state.update({"feedback.text": "", "feedback.verdict": _ANY})
    for name in _MORE:
        st.session_state[f"feedback.{name}"] = None
