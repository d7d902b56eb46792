"""Documents become pages of text.

    encoding     what encoding a text is in
    kinds        what a name promises and a content is
    packages     zips measured before they are unpacked
    page         a page, its limits, its text made clean
    markup       the Markdown that loaders write
    text, pdf, word, web, tables, slides, json_files     one family of formats each
    archives     folders and zips become files

A document is data: nothing it refers to is fetched, nothing in it runs. Whatever is wrong with it is one sentence that names it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.knowledge.loaders import json_files, pdf, slides, tables, text, web, word
from engine.knowledge.loaders.kinds import KINDS, SUFFIXES, check_kind, suffix_of
from engine.knowledge.loaders.page import MOST_BYTES, MOST_PAGES, MOST_TEXT, Page, finish

__all__ = ["MOST_BYTES", "MOST_PAGES", "MOST_TEXT", "SUFFIXES", "Page", "is_markdown", "load", "refuse_too_big"]

_READERS: dict[str, Callable[[Path, str], Iterator[Page]]] = {
    ".txt": text.read,
    ".md": text.read,
    ".markdown": text.read,
    ".pdf": pdf.read,
    ".docx": word.read,
    ".html": web.read,
    ".htm": web.read,
    ".csv": tables.read_separated,
    ".tsv": tables.read_separated,
    ".xlsx": tables.read_workbook,
    ".pptx": slides.read,
    ".json": json_files.read,
    ".jsonl": json_files.read,
}


def load(path: Path, name: str | None = None) -> list[Page]:
    """The pages of a document that have text, in their order. `name` is what the document is called, if not as its file.

    Raises:
        BadInput: it cannot be read; one sentence that names it.
    """
    name = name or path.name
    suffix = suffix_of(name)
    if not path.is_file():
        raise BadInput("There is no file “{file}”.", file=name)
    refuse_too_big(path.stat().st_size, name)
    try:
        check_kind(path, name, suffix)
        pages = finish(_READERS[suffix](path, name), name)
    except (BadInput, MemoryError):
        raise
    except OSError as error:
        if error.errno is None:
            raise _damaged(name, suffix) from error
        raise BadInput("“{file}” cannot be opened: {reason}.", file=name, reason=error.strerror) from error
    except Exception as error:  # the libraries meet damage with almost any exception
        raise _damaged(name, suffix) from error
    if not pages:
        raise BadInput("“{file}” holds no text.", file=name)
    return pages


def is_markdown(name: str) -> bool:
    """Whether `#` and `|` at the beginning of lines are headings and tables in the text of a document with this name."""
    return not name.lower().endswith(".txt")


def refuse_too_big(size: int, name: str) -> None:
    """Refuse a file of so many bytes.

    Raises:
        BadInput: it has none, or more than `MOST_BYTES`.
    """
    if not size:
        raise BadInput("“{file}” is empty.", file=name)
    if size > MOST_BYTES:
        raise BadInput(
            "“{file}” has {size} MB, and {most} MB is the most: split it into smaller files.",
            file=name,
            size=f"{size / 2**20:,.0f}",
            most=MOST_BYTES // 2**20,
        )


def _damaged(name: str, suffix: str) -> BadInput:
    kind = KINDS[suffix] if KINDS[suffix] != "text" else suffix[1:].upper()
    return BadInput(
        "“{file}” is damaged and cannot be read as {kind}: open it in the program it comes from, save it again, and add that.",
        file=name,
        kind=kind,
    )
