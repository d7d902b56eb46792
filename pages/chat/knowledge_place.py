"""A passage where it stands: the page of its document with the passage marked, and in it the words that an answer quotes."""

import re

import streamlit as st

from engine.errors import BadInput
from engine.knowledge import documents, passages
from engine.knowledge.passages import Passage
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import without_addresses

_AROUND = 1500
"""Characters of the page that are shown before and after the passage."""
_BLANK = "\u00a0"
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+.!~$:<>|&=^-])")


def passage_dialog(base_id: str, passage_id: int, name: str, quote: str = "") -> None:
    """Open it.

    Args:
        base_id: the base.
        passage_id: the passage.
        name: of its document, for the title.
        quote: words of the passage that are marked more strongly.
    """
    st.dialog(literal(name, 60), width="medium", icon=":material/description:")(_passage)(base_id, passage_id, quote)


def where(passage: Passage) -> str:
    """Page, line and headings, as Markdown."""
    facts = [t("page {n}", n=passage.page)] if passage.page is not None else []
    facts.append(t("line {n}", n=passage.line))
    if passage.heading:
        facts.append(literal(passage.heading, 120))
    return " · ".join(facts)


def verbatim(*pieces: tuple[str, str]) -> str:
    """Texts letter for letter as Markdown, their lines kept.

    Args:
        pieces: each a text and the colour it is marked with; empty for none.
    """
    lines = [""]
    for text, color in pieces:
        first, *others = without_addresses(text).split("\n")
        lines[-1] += _shown(first, color)
        lines += [_shown(line, color) for line in others]
    # an empty line would end the paragraph, and several of them would be one
    return "  \n".join(line or _BLANK for line in lines)


def _shown(line: str, color: str) -> str:
    plain = _MARKUP.sub(r"\\\1", line.replace("\t", "    ")).replace("  ", f" {_BLANK}")
    if plain.startswith(" "):
        plain = _BLANK + plain[1:]
    return f":{color}-background[{plain}]" if color and plain.strip() else plain


def _passage(base_id: str, passage_id: int, quote: str) -> None:
    with frame.errors_shown():
        try:
            passage = passages.get_passage(base_id, passage_id)
            page, start = documents.page_text(base_id, passage.document, passage.page)
        except BadInput:
            st.info(
                t(
                    "This passage is no longer in the knowledge base: its document was deleted, or replaced by another version."
                ),
                icon=":material/info:",
            )
            return
        st.caption(where(passage))
        if passage.edited:
            st.markdown(f"**{t('The passage, as it was corrected')}**")
            st.markdown(verbatim(*_marked(passage.text, quote)))
            st.markdown(f"**{t('What stands in the document')}**")
            quote = ""
        _page(page, passage.start - start, passage.end - start, quote)


def _page(page: str, start: int, end: int, quote: str) -> None:
    first, last = max(0, start - _AROUND), min(len(page), end + _AROUND)
    with st.container(border=True, height=480 if last - first > 900 else "content", key="knowledge.place"):
        if first > 0:
            st.caption(t("… what stands before is left out"))
        st.markdown(verbatim((page[first:start], ""), *_marked(page[start:end], quote), (page[end:last], "")))
        if last < len(page):
            st.caption(t("… what follows is left out"))


def _marked(text: str, quote: str) -> list[tuple[str, str]]:
    """The passage in one colour, the quote in another."""
    at = text.find(quote) if quote else -1
    if at < 0:
        return [(text, "blue")]
    return [(text[:at], "blue"), (quote, "orange"), (text[at + len(quote) :], "blue")]
