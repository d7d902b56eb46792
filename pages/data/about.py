"""What a dataset is and where it came from, in words."""

from typing import Any

import streamlit as st

from engine.data.registry import Card
from pages.shared.i18n import t
from pages.shared.labels import when


def about(card: Card) -> None:
    """The tab."""
    facts: dict[str, Any] = {
        t("Kind"): kind_words(card),
        t("Rows"): f"{card.rows:,}",
        t("Version"): str(card.version),
        t("Added by hand"): f"{card.added:,}",
        t("Lines that could not be read"): f"{card.broken:,}",
        t("Created"): when(card.created),
        t("Comes from"): origin(card),
        t("Filters"): ", ".join(card.filters) or t("none"),
        t("Content (SHA-256)"): card.content_sha256,
    }
    st.dataframe(
        {t("Fact"): list(facts), t("Value"): list(facts.values())},
        hide_index=True,
        column_config={t("Fact"): st.column_config.Column(width="small")},
        height="content",
        key="datasets.about",
    )


def kind_words(card: Card) -> str:
    """What its rows are."""
    return {
        "messages": t("Conversations"),
        "preference": t("Pairs of replies"),
        "unpaired": t("Judged replies"),
    }[card.kind]


def origin(card: Card) -> str:
    """The sources in words: file names, feedback, or who wrote it."""
    words = []
    for source in card.sources:
        if "file" in source:
            words.append(str(source["file"]))
        elif "dataset" in source:
            words.append(str(source["dataset"]))
        elif "feedback" in source:
            words.append(t("feedback"))
        elif "written_by" in source:
            words.append(t("written by {name}", name=source["written_by"]))
    return ", ".join(words) or t("unknown")
