"""English and 中文: the English text is the key, `zh.yaml` holds the Chinese. A test finds every text and every gap.

Only texts of our own pass here; what people and models write is never translated.
"""

from functools import cache
from pathlib import Path

import streamlit as st
import yaml

LANGUAGES = {"en": "English", "zh": "中文"}
_KEY = "language"
_CHOSEN = "language.chosen"  # Streamlit forgets what a widget held when a button changes the page


def t(text: str, /, **values: object) -> str:
    """A text in the reader's language.

    Args:
        text: English, with `{named}` gaps; always written as a literal, so that the test can find it.
        values: what fills the gaps.
    """
    translated = _chinese().get(text, text) if language() == "zh" else text
    return translated.format(**values) if values else translated


def language() -> str:
    """`en` or `zh`: what the person chose, else what the address says, else what the browser prefers."""
    if _KEY not in st.session_state:
        asked = st.session_state.get(_CHOSEN) or st.query_params.get("lang") or st.context.locale or "en"
        st.session_state[_KEY] = "zh" if asked.startswith("zh") else "en"
    return st.session_state[_KEY]


def language_switch() -> None:
    """The control that changes the language; the address remembers it."""
    language()
    st.segmented_control(
        "Language / 语言",
        LANGUAGES,
        format_func=LANGUAGES.__getitem__,
        key=_KEY,
        required=True,
        label_visibility="collapsed",
    )
    st.session_state[_CHOSEN] = st.query_params["lang"] = language()


@cache
def _chinese() -> dict[str, str]:
    return yaml.safe_load((Path(__file__).parent / "zh.yaml").read_text(encoding="utf-8"))
