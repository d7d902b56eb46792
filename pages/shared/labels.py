"""Short texts for labels: names shown letter for letter, moments and durations in the reader's terms.

Whole passages that people or models wrote are shown through `pages.shared.text.harmless` instead.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from pages.shared.i18n import t
from pages.shared.text import without_addresses

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+.!~$:<>|&-])")


def literal(text: str, most: int = 100) -> str:
    """One line of text as it stands, for a label that Streamlit reads as Markdown; cut to `most` characters."""
    line = without_addresses(" ".join(text.split()))
    return _MARKUP.sub(r"\\\1", line if len(line) <= most else line[: most - 1] + "…")


def when(seconds: float) -> str:
    """A moment (seconds since 1970) as date and time where the reader is."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else None
    return datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float) -> str:
    """About how long; no number in it is ever 1, so that no plural is wrong."""
    if seconds < 90:
        return t("{n} seconds", n=max(5, 5 * round(seconds / 5)))
    if seconds < 90 * 60:
        return t("{n} minutes", n=max(2, round(seconds / 60)))
    if seconds < 36 * 3600:
        return t("{n} hours", n=f"{seconds / 3600:.1f}")
    return t("{n} days", n=f"{seconds / 86400:.1f}")
