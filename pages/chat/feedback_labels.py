"""How a judgement is named on the page: badges for what was said, one line for who, when and about what."""

import streamlit as st

from engine.feedback.schema import Feedback
from pages.shared.feedback_bar import TAGS
from pages.shared.i18n import t
from pages.shared.labels import literal, when


def badges(row: Feedback) -> str:
    """Markdown: what the person said, shortest first."""
    found = []
    if row.kind == "kept":
        found.append(f":gray-badge[:material/done_all: {t('Kept over another')}]")
    if row.kind == "comparison":
        found.append(f":blue-badge[:material/compare_arrows: {outcomes()[row.winner]}]")
    if row.verdict == "good":
        found.append(f":green-badge[:material/thumb_up: {t('Good')}]")
    if row.verdict == "bad":
        found.append(f":red-badge[:material/thumb_down: {t('Bad')}]")
    if row.rating:
        found.append(f":orange-badge[{'★' * row.rating}{'☆' * (5 - row.rating)}]")
    if row.correction:
        found.append(f":violet-badge[:material/edit: {t('Corrected')}]")
    found += [f":gray-badge[{literal(tag_name(tag), 30)}]" for tag in row.tags]
    return " ".join(found) or f":gray-badge[{t('No verdict')}]"


def tag_name(tag: str) -> str:
    """A tag as the reader sees it: those the studio offers are translated, a person's own stand as they are."""
    return t(tag) if tag in TAGS else tag


def outcomes() -> dict[str | None, str]:
    """How a comparison can end."""
    return {
        "a": t("A is better"),
        "b": t("B is better"),
        "tie": t("Equally good"),
        "both_bad": t("Both bad"),
        None: t("Undecided"),
    }


def origin(row: Feedback) -> str:
    """Markdown: whose judgement, when, about which model."""
    makers = maker(row.model, row.adapter)
    if row.reply_b and (other := maker(row.model_b, row.adapter_b)) != makers:
        makers = f"{makers} / {other}"
    return f"**{literal(row.annotator, 60)}** · {when(row.created.timestamp())} · {makers}"


def maker(model: str | None, adapter: str | None) -> str:
    """Markdown: a model, with its adapter if it had one."""
    name = literal(model or "?", 60)
    return f"{name} \\+ {literal(adapter, 60)}" if adapter else name


def side_title(row: Feedback, side: str) -> None:
    """The line above one of two replies: which it is, what made it, whether it was chosen."""
    letter, made = ("A", maker(row.model, row.adapter)) if side == "a" else ("B", maker(row.model_b, row.adapter_b))
    chosen = f" :green-badge[:material/check: {t('Chosen')}]" if row.winner == side else ""
    st.markdown(f"**{letter}** :small[{made}]{chosen}")
