"""Plain text and Markdown.

The encoding is told by the content. Bytes that do not decode become `�`, unless there are so many that it is no text.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from engine.knowledge.loaders.encoding import encoding_in
from engine.knowledge.loaders.kinds import raise_binary
from engine.knowledge.loaders.page import MOST_TEXT, Page, refuse_too_long

_SPOILT = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")


def read(path: Path, name: str) -> Iterator[Page]:
    """The text as one page.

    Raises:
        BadInput: it is binary, or too long.
    """
    yield Page(read_text(path, name))


def read_text(path: Path, name: str, encoding: str = "") -> str:
    """What a text file says, told or in `encoding`, with its line ends as they are.

    Raises:
        BadInput: it is binary, or too long.
    """
    if path.stat().st_size > 4 * MOST_TEXT:  # no encoding here takes more bytes for a character
        refuse_too_long(MOST_TEXT + 1, name)
    text = path.read_bytes().decode(encoding or encoding_in(path), "replace").removeprefix("\ufeff")
    refuse_too_long(len(text), name)
    if len(_SPOILT.findall(text)) > len(text) // 50 + 4:
        raise_binary(name)
    return text
