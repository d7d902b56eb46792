"""PDF files: the text of each page, with its number.

Pictures are not read. A file that opens without a password is read, whatever else its owner forbids.
"""

from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.knowledge.loaders.kinds import raise_protected
from engine.knowledge.loaders.page import Page, refuse_too_long, refuse_too_many_pages


def read(path: Path, name: str) -> Iterator[Page]:
    """One page after the other.

    Raises:
        BadInput: it is protected by a password, has too many pages or none with text, or one of them is damaged.
    """
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    with path.open("rb") as file:
        reader = PdfReader(file)
        try:
            if reader.is_encrypted and not reader.decrypt(""):
                raise_protected(name)
            count = len(reader.pages)
        except FileNotDecryptedError:
            raise_protected(name)
            return
        refuse_too_many_pages(count, name)
        length = 0
        for number in range(1, count + 1):
            text = _text_of(reader, number, name)
            length += len(text)
            refuse_too_long(length, name)
            yield Page(text, number)
        if not count:
            raise BadInput("“{file}” has no pages.", file=name)
        if not length:
            raise BadInput(
                "“{file}” holds only pictures of its pages and no text: run text recognition (OCR) on it, and add what that makes.",
                file=name,
            )


def _text_of(reader, number: int, name: str) -> str:
    try:
        return reader.pages[number - 1].extract_text().strip("\n")
    except Exception as error:  # damage shows as almost any exception in pypdf
        raise BadInput(
            "Page {page} of “{file}” is damaged: print the file to a new PDF, and add that.",
            page=number,
            file=name,
        ) from error
