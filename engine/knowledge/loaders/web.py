"""HTML files as Markdown: headings, lists, tables and code; of links the text, of pictures the alternative text.

Scripts, styles, navigation, frames and what is hidden are left out. Nothing that a page refers to is ever fetched.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.knowledge.loaders.encoding import encoding_in, unmarked_utf16
from engine.knowledge.loaders.markup import heading, pipe_table
from engine.knowledge.loaders.page import Page
from engine.knowledge.loaders.text import read_text

_LEFT_OUT = {
    "script",
    "style",
    "noscript",
    "template",
    "iframe",
    "nav",
    "object",
    "embed",
    "svg",
    "math",
    "head",
    "select",
}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt"),
    *(
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "html",
        "legend",
        "main",
        "ol",
        "p",
        "section",
    ),
    *("summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LAYOUT = {"table", "h1", "h2", "h3", "ul", "ol", "pre"}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")


def read(path: Path, name: str) -> Iterator[Page]:
    """The whole file as one page.

    Raises:
        BadInput: it is binary, or too long.
    """
    from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning

    # it is what the ending says, whatever it looks like
    for doubt in (MarkupResemblesLocatorWarning, XMLParsedAsHTMLWarning):
        warnings.filterwarnings("ignore", category=doubt)
    soup = BeautifulSoup(read_text(path, name, _encoding(path)), "lxml")
    writer = _Writer(name)
    writer.walk(soup)
    text = writer.text()
    title = soup.title.get_text() if soup.title else ""
    if not soup.find("h1") and text:
        text = f"{heading(title, 1)}\n\n{text}".lstrip()
    yield Page(text)


def _encoding(path: Path) -> str:
    """What the page says of itself, if it is true; otherwise what its content tells."""
    from bs4.dammit import EncodingDetector

    data = path.read_bytes()
    if bare := unmarked_utf16(data[:8192]):  # its bytes may be ASCII with zeros between
        return bare
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    for encoding in ("utf-8", declared):
        try:
            data.decode(encoding or "no encoding")
        except (LookupError, ValueError):
            continue
        return encoding or "utf-8"
    return encoding_in(path)


class _Writer:
    """Markdown from a tree, without recursion: pages may be nested as deep as they like."""

    def __init__(self, name: str):
        self._name = name
        self._blocks: list[str] = []  # each with the blank lines before it
        self._line: list[str] = []
        self._lists: list[int] = []  # numbers of the lists around; 0 for bullets
        self._mark = ""
        self._items = False

    def walk(self, root: Any) -> None:
        """Write what is in an element."""
        stack: list[tuple[Any, bool]] = [(root, True)]
        while stack:
            node, enters = stack.pop()
            if not enters:
                self._leave(node.name)
            elif node.name is None:
                if type(node).__name__ in ("NavigableString", "CData"):
                    self._line.append(str(node))
            elif self._enter(node):
                stack.append((node, False))
                stack += [(child, True) for child in reversed(node.contents)]

    def text(self) -> str:
        """All that was written."""
        self._flush()
        return "".join(self._blocks).strip("\n")

    def _enter(self, node: Any) -> bool:
        """Begin an element; whether its content is to be walked."""
        tag = node.name
        if tag in _LEFT_OUT or (node.attrs and _is_hidden(node)):
            return False
        if tag in ("img", "area"):
            self._line.append(f" {node.get('alt') or ''} ")
        elif tag == "br":
            self._line.append("\0")
        elif tag in _HEADINGS:
            self._flush()
            self._block(heading(_inline(node), _HEADINGS[tag]))
            return False
        elif tag == "pre":
            self._flush()
            self._block(_fenced(node.get_text()))
            return False
        elif tag == "table" and _is_data(node):
            self._flush()
            self._block(pipe_table(_rows(node), self._name))
            return False
        elif tag == "li":
            self._flush()
            self._mark = self._next_mark()
        elif tag in _BLOCKS:
            self._flush()
            if tag in ("ul", "ol"):
                self._lists.append(1 if tag == "ol" else 0)
        return True

    def _leave(self, tag: str) -> None:
        if tag in _BLOCKS or tag == "li":
            self._flush()
        if tag == "li":
            self._mark = ""
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()

    def _next_mark(self) -> str:
        indent = "  " * max(0, min(len(self._lists), 8) - 1)
        if not self._lists or not self._lists[-1]:
            return f"{indent}- "
        self._lists[-1] += 1
        return f"{indent}{self._lists[-1] - 1}. "

    def _flush(self) -> None:
        """End the line of text that was gathered."""
        lines = [_BLANKS.sub(" ", line).strip() for line in "".join(self._line).split("\0")]
        self._line = []
        if text := "\n".join(filter(None, lines)):
            item = bool(self._mark)
            self._blocks += ["\n" if item and self._items else "\n\n", self._mark + text]
            self._items, self._mark = item, ""

    def _block(self, text: str) -> None:
        if text:
            self._blocks += ["\n\n", self._mark + text]
            self._items, self._mark = False, ""


def _is_hidden(node: Any) -> bool:
    return node.has_attr("hidden") or bool(_HIDDEN.search(str(node.get("style") or "")))


def _is_data(table: Any) -> bool:
    """Whether a table holds values: those that lay out a page have tables, headings or paragraphs of text in them."""
    stack = list(reversed(table.contents))  # a find would walk down to the last element each time
    while stack:
        node = stack.pop()
        if node.name in _LAYOUT:
            return False
        if node.name is not None:
            stack += reversed(node.contents)
    return True


def _inline(node: Any) -> str:
    """The text in an element on one line."""
    writer = _Writer("")
    for child in node.contents:
        writer.walk(child)
    return " ".join(writer.text().split())


def _rows(table: Any) -> Iterator[list[str]]:
    """The cells of each row: one over several columns has empty ones after it, one over several rows its text in each."""
    if (caption := table.find("caption")) is not None:
        yield [_inline(caption)]
    below: dict[int, tuple[int, str]] = {}  # column → for how many more rows, and the text
    for row in table.find_all("tr"):
        if _is_hidden(row):
            continue
        cells: list[str] = []
        kept: dict[int, tuple[int, str]] = {}
        for cell in row.find_all(["td", "th"]):
            _continue_above(cells, below, kept)
            text = "" if _is_hidden(cell) else _inline(cell)
            kept[len(cells)] = (_number(cell, "rowspan") - 1, text)
            cells += [text] + [""] * (_number(cell, "colspan") - 1)
        _continue_above(cells, below, kept)
        below = kept
        yield cells


def _continue_above(cells: list[str], below: dict[int, tuple[int, str]], kept: dict[int, tuple[int, str]]) -> None:
    """Add to a row the cells that reach into it from above."""
    while (reaching := below.get(len(cells), (0, "")))[0]:
        kept[len(cells)] = (reaching[0] - 1, reaching[1])
        cells.append(reaching[1])


def _number(cell: Any, attribute: str) -> int:
    value = str(cell.get(attribute) or "")
    return min(int(value), 64) if value.isascii() and value.isdigit() and value != "0" else 1


def _fenced(text: str) -> str:
    code = text.strip("\n")
    if not code.strip():
        return ""
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}\n{code}\n{fence}"
