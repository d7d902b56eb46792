"""What every loader makes: pages of clean text, within limits.

A page's text is plain or Markdown. Nothing here opens a file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import BadInput

MOST_BYTES = 200 * 2**20
"""Bytes that one file may have."""

MOST_PAGES = 5000
"""Pages, slides or sheets that one document may have."""

MOST_TEXT = 20_000_000
"""Characters that the text of one document may have."""

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass
class Page:
    """One page, slide or sheet, or a whole document of a format that has no pages."""

    text: str
    """Plain text, or Markdown: headings as `#` lines, tables as pipe tables."""

    number: int | None = None
    """Counted from 1; None where the format has no pages."""

    title: str = ""
    """The sheet's or slide's name, if it has one."""


def clean(text: str) -> str:
    """The text with `\\n` as its only line end and without control characters, byte order marks and halves of surrogate pairs."""
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))


def refuse_too_long(length: int, name: str) -> None:
    """Refuse a document of so many characters.

    Raises:
        BadInput: it has more than `MOST_TEXT`.
    """
    if length > MOST_TEXT:
        raise BadInput(
            "“{file}” has more than {most} characters of text: split it into smaller files.",
            file=name,
            most=f"{MOST_TEXT:,}",
        )


def refuse_too_many_pages(count: int, name: str) -> None:
    """Refuse a document of so many pages.

    Raises:
        BadInput: it has more than `MOST_PAGES`.
    """
    if count > MOST_PAGES:
        raise BadInput(
            "“{file}” has {count} pages, and {most} is the most: split it into smaller files.",
            file=name,
            count=f"{count:,}",
            most=f"{MOST_PAGES:,}",
        )


def finish(pages: Iterable[Page], name: str) -> list[Page]:
    """The pages that have text, cleaned.

    Raises:
        BadInput: there are too many of them, or they are too long.
    """
    kept: list[Page] = []
    length = 0
    for count, page in enumerate(pages, 1):
        refuse_too_many_pages(count, name)
        text = clean(page.text).rstrip()
        if not text.strip():
            continue
        length += len(text) + 2
        refuse_too_long(length, name)
        kept.append(Page(text, page.number, " ".join(clean(page.title).split())))
    return kept
