"""Word files: headings, paragraphs, items and tables in the order of the document, then its footnotes.

Text that was deleted under change tracking is left out, what was inserted stays; headers, footers, comments and pictures are
not read. The parts are walked as XML because python-docx passes over content controls and text boxes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.knowledge.loaders.markup import heading, pipe_table
from engine.knowledge.loaders.packages import check_package
from engine.knowledge.loaders.page import Page

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_GONE = {_W + "del", _W + "moveFrom", _FALLBACK}
_MARKS = {_W + "tab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])", re.IGNORECASE)
_FOOTNOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"


def read(path: Path, name: str) -> Iterator[Page]:
    """The whole document as one page: where its pages end is known only to the program that prints it.

    Raises:
        BadInput: it is made to fill the memory, or has too much text.
    """
    from docx import Document

    check_package(path, name)
    document = Document(str(path))
    levels = _levels(document.styles.element)
    blocks = list(_blocks(document.element.body, levels, name))
    for relation in document.part.rels.values():
        if relation.reltype == _FOOTNOTES:
            blocks += _footnotes(relation.target_part.blob)
    yield Page(_joined(blocks))


def _levels(styles: Any) -> dict[str, int]:
    """The level of every style that makes a heading or, as -1, an item; a style has what it is based on."""
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in styles.iter(_W + "style"):
        identity = style.get(_W + "styleId", "")
        called = _value(style, "name")
        if based_on := _value(style, "basedOn"):
            based[identity] = based_on
        outline = _value(style, "pPr/outlineLvl")
        if found := _HEADING.match(called):
            own[identity] = int(found[1])
        elif called.lower() in ("title", "标题"):
            own[identity] = 1
        elif outline.isdigit() and int(outline) < 9:
            own[identity] = int(outline) + 1
        elif called.lower().startswith("list "):
            own[identity] = -1
    for identity in based:
        ancestor, steps = identity, 0
        while ancestor not in own and ancestor in based and steps < 20:
            ancestor, steps = based[ancestor], steps + 1
        if ancestor in own:
            own.setdefault(identity, own[ancestor])
    return own


def _value(element: Any, way: str) -> str:
    found = element.find("/".join(_W + step for step in way.split("/")))
    return found.get(_W + "val", "") if found is not None else ""


def _blocks(parent: Any, levels: dict[str, int], name: str) -> Iterator[str]:
    """Paragraphs and tables in an element, those in content controls and tracked insertions too."""
    for child in parent:
        if child.tag == _W + "p":
            yield from _paragraph(child, levels)
        elif child.tag == _W + "tbl":
            yield pipe_table(_rows(child), name)
        elif child.tag not in _GONE and isinstance(child.tag, str):
            yield from _blocks(child, levels, name)


def _paragraph(paragraph: Any, levels: dict[str, int]) -> Iterator[str]:
    text = _text_of(paragraph).strip()
    outline = _value(paragraph, "pPr/outlineLvl")
    level = int(outline) + 1 if outline in tuple("012345678") else levels.get(_value(paragraph, "pPr/pStyle"), 0)
    if not text:
        return
    if level > 0:
        yield heading(text, level)
    elif level < 0 or _value(paragraph, "pPr/numPr/numId") not in ("", "0"):
        depth = _value(paragraph, "pPr/numPr/ilvl")
        yield f"{'  ' * min(int(depth), 8) if depth.isdigit() else ''}- {text}"
    else:
        yield text


def _text_of(element: Any) -> str:
    """The text in an element; text boxes in it follow on lines of their own."""
    pieces: list[str] = []
    stack = [element]
    while stack:
        node = stack.pop()
        if node.tag == _W + "t":
            pieces.append(node.text or "")
        elif node.tag in _MARKS:
            pieces.append(_MARKS[node.tag])
        elif node.tag not in _GONE and node.tag != _W + "pPr":
            if node.tag == _W + "p" and node is not element:
                pieces.append("\n")
            stack.extend(reversed(node))
    return "".join(pieces)


def _rows(table: Any) -> Iterator[list[str]]:
    """The cells of each row: one over several columns has empty ones after it, one over several rows its text in each."""
    above: list[str] = []
    for row in _within(table, "tr"):
        cells: list[str] = []
        for cell in _within(row, "tc"):
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            text = _text_of(cell)
            if merged is not None and merged.get(_W + "val") != "restart" and len(cells) < len(above):
                text = above[len(cells)]
            span = _value(cell, "tcPr/gridSpan")
            cells += [text] + [""] * (min(int(span), 64) - 1 if span.isdigit() else 0)
        yield cells
        above = cells


def _within(parent: Any, tag: str) -> Iterator[Any]:
    """Children of one kind, also those that a content control or a tracked insertion wraps; none of a table inside."""
    for child in parent:
        if child.tag == _W + tag:
            yield child
        elif child.tag in (_W + "sdt", _W + "sdtContent", _W + "ins", _W + "customXml"):
            yield from _within(child, tag)


def _footnotes(blob: bytes) -> list[str]:
    from docx.oxml.parser import parse_xml

    notes = [note for note in parse_xml(blob) if note.get(_W + "type") is None]
    return [text for note in notes if (text := " ".join(_text_of(note).split()))]


def _joined(blocks: list[str]) -> str:
    """Blocks with a blank line between them, but items line by line."""
    text, before = [], ""
    for block in filter(None, blocks):
        item = block.lstrip().startswith("- ") and before.lstrip().startswith("- ")
        text += ["\n" if item else "\n\n", block]
        before = block
    return "".join(text[1:])
