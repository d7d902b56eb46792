"""What kind of file a name promises and a content is.

The ending decides how a file is read; the content only has to agree with it. Nothing is parsed here beyond the first bytes
and the list of members in a zip.
"""

import codecs
import zipfile
from pathlib import Path

from engine.errors import BadInput
from engine.knowledge.loaders.encoding import unmarked_utf16
from engine.knowledge.loaders.packages import open_package

KINDS = {
    ".txt": "text",
    ".md": "text",
    ".markdown": "text",
    ".pdf": "PDF",
    ".docx": "DOCX",
    ".html": "text",
    ".htm": "text",
    ".csv": "text",
    ".tsv": "text",
    ".xlsx": "XLSX",
    ".pptx": "PPTX",
    ".json": "text",
    ".jsonl": "text",
}
"""The kind of content that a file of each ending must have."""

SUFFIXES: tuple[str, ...] = tuple(KINDS)
OLD_OFFICE = (".doc", ".xls", ".ppt", ".wps", ".et", ".dps")

_MAGIC = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x1f\x8b": "GZIP",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7Z",
    b"\x28\xb5\x2f\xfd": "ZSTD",
    b"{\\rtf": "RTF",
    b"SQLite format 3": "SQLite",
    b"\x7fELF": "ELF",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB]: old Office files, and new ones behind a password
_PARTS = {"word/": "DOCX", "xl/": "XLSX", "ppt/": "PPTX"}


def suffix_of(name: str) -> str:
    """The ending of a name that a loader knows.

    Raises:
        BadInput: no loader knows it.
    """
    suffix = Path(name).suffix.lower()
    if suffix in KINDS:
        return suffix
    if suffix in OLD_OFFICE:
        raise BadInput(
            "“{file}” is in an old Office format: save it as .docx, .xlsx or .pptx, and add that.",
            file=name,
        )
    raise BadInput(
        "“{file}” cannot be read: the kinds of files that can are {suffixes}.",
        file=name,
        suffixes=" ".join(SUFFIXES),
    )


def check_kind(path: Path, name: str, suffix: str) -> None:
    """See that a file holds what its ending says.

    Raises:
        BadInput: it is something else, or protected by a password.
    """
    wanted, kind = KINDS[suffix], kind_of(path)
    if kind == wanted:
        return
    if kind == "OLE":
        if _is_locked(path):
            raise_protected(name)
        raise BadInput(
            "“{file}” is in an old Office format: save it as .docx, .xlsx or .pptx, and add that.",
            file=name,
        )
    if wanted == "text" and kind == "binary":
        raise_binary(name)
    if wanted == "text":
        raise BadInput(
            "“{file}” is not a text file: its content is {kind}, so give it the ending that belongs to that.",
            file=name,
            kind=kind,
        )
    if kind in ("text", "binary"):
        raise BadInput(
            "“{file}” is not a {wanted} file: its content is something else, so give it its real ending or save it again as {wanted}.",
            file=name,
            wanted=wanted,
        )
    raise BadInput(
        "“{file}” is not a {wanted} file: its content is {kind}, so give it its real ending or save it again as {wanted}.",
        file=name,
        wanted=wanted,
        kind=kind,
    )


def raise_protected(name: str) -> None:
    """Raises:
    BadInput: always, saying that a password is in the way.
    """
    raise BadInput("“{file}” is protected by a password: save a copy without one, and add that.", file=name)


def raise_binary(name: str) -> None:
    """Raises:
    BadInput: always, saying that a text file is none.
    """
    raise BadInput(
        "“{file}” is not a text file: its bytes are no text in UTF-8, UTF-16 or GB18030, so save it as UTF-8 and add that.",
        file=name,
    )


def kind_of(path: Path) -> str:
    """`PDF`, `DOCX`, `XLSX`, `PPTX`, `ZIP`, `OLE`, the name of another known format, `text`, or `binary`."""
    with path.open("rb") as file:
        head = file.read(8192)
    if head.startswith(_OLE):
        return "OLE"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or unmarked_utf16(head):
        return "text"
    # Acrobat takes files with other bytes before their header; a text that only speaks of one begins otherwise
    if head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and b" obj" in head):
        return "PDF"
    return "binary" if head.count(0) > len(head) // 50 + 4 else "text"


def _kind_of_zip(path: Path) -> str:
    try:
        with open_package(path) as package:
            names = package.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        return "ZIP"  # cut short, perhaps: then only the ending says what it was
    for folder, kind in _PARTS.items():
        if "[Content_Types].xml" in names and any(name.startswith(folder) for name in names):
            return kind
    return "ZIP"


def _is_locked(path: Path) -> bool:
    return "EncryptedPackage".encode("utf-16-le") in path.read_bytes()
