"""PowerPoint files: title, texts, tables and notes of each slide.

Pictures and charts are not read; what is hidden in a show is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.knowledge.loaders.markup import heading, pipe_table
from engine.knowledge.loaders.packages import check_package
from engine.knowledge.loaders.page import Page, refuse_too_many_pages


def read(path: Path, name: str) -> Iterator[Page]:
    """One page a slide.

    Raises:
        BadInput: there are too many slides, or it is made to fill the memory.
    """
    from pptx import Presentation

    check_package(path, name)
    slides = Presentation(str(path)).slides
    refuse_too_many_pages(len(slides), name)
    for number, slide in enumerate(slides, 1):
        top = slide.shapes.title
        title = " ".join(top.text_frame.text.split()) if top is not None else ""
        blocks = [heading(title, 1)]
        blocks += [
            _text_of(shape, name) for shape in _shapes(slide.shapes) if top is None or shape.shape_id != top.shape_id
        ]
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            blocks.append("\n".join(f"> {line}" for line in _lines(notes)))
        yield Page("\n\n".join(block for block in blocks if block), number, title)


def _shapes(shapes: Any) -> Iterator[Any]:
    """All shapes in their order, those in groups too."""
    stack = [iter(shapes)]
    while stack:
        for shape in stack[-1]:
            if hasattr(shape, "shapes"):
                stack.append(iter(shape.shapes))
                break
            yield shape
        else:
            stack.pop()


def _text_of(shape: Any, name: str) -> str:
    if getattr(shape, "has_table", False):
        return pipe_table(([cell.text for cell in row.cells] for row in shape.table.rows), name)
    return "\n".join(_lines(shape.text_frame)) if shape.has_text_frame else ""


def _lines(frame: Any) -> list[str]:
    """The paragraphs; those of a deeper level as items."""
    lines = []
    for paragraph in frame.paragraphs:
        text = " ".join(paragraph.text.split())
        if text:
            lines.append(f"{'  ' * (paragraph.level - 1)}- {text}" if paragraph.level else text)
    return lines
