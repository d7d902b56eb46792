"""Zips from outside, measured before anything in them is unpacked: Office files are such zips too.

Sizes come from the list of members; `zipfile` reads no more of a member than the list says, so they cannot lie. Nothing is
written here.
"""

import zipfile
from pathlib import Path
from xml.parsers import expat

from engine.errors import BadInput

MOST_MEMBERS = 10_000
MOST_PACKAGE = 500 * 2**20
"""Bytes that an Office file may have unpacked."""

MOST_RATIO = 200
FREE = 50 * 2**20
"""Bytes below which any ratio is taken: small files of one repeated character are no attack."""

_MOST_LIST = MOST_MEMBERS * 1024


class TooMuch(ValueError):
    """A zip that would unpack to more than is sensible."""


def open_package(path: Path) -> zipfile.ZipFile:
    """A zip, once it is known that its list of members fits in memory.

    Raises:
        zipfile.BadZipFile: it is none, or its list is damaged.
        TooMuch: it lists too many members.
    """
    with path.open("rb") as file:
        # zipfile makes an object for every entry as it opens, millions for a list of 200 MB; there is no public way to its size
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end and end[5] > _MOST_LIST:
        raise TooMuch(path.name)
    package = zipfile.ZipFile(path)
    if len(package.filelist) > MOST_MEMBERS:
        package.close()
        raise TooMuch(path.name)
    return package


def is_bomb(package: zipfile.ZipFile, path: Path, most: int) -> bool:
    """Whether a zip would unpack to more than `most` bytes, or to far more than it has itself."""
    unpacked = sum(member.file_size for member in package.filelist)
    return unpacked > most or (unpacked > FREE and unpacked > MOST_RATIO * max(1, path.stat().st_size))


def check_package(path: Path, name: str) -> None:
    """Refuse an Office file that only pretends to be a small one.

    Raises:
        BadInput: it is far bigger unpacked, or declares entities, which no Office program writes.
        zipfile.BadZipFile: it is damaged.
    """
    try:
        with open_package(path) as package:
            if is_bomb(package, path, MOST_PACKAGE):
                raise TooMuch(name)
            if any(_declares(package, member) for member in package.filelist):
                raise BadInput(
                    "“{file}” declares XML entities, which no Office program writes: it is not read, for it could fill the memory.",
                    file=name,
                )
    except TooMuch as error:
        raise BadInput(
            "“{file}” would unpack to far more than a document has: it is not read, for it could fill the memory.",
            file=name,
        ) from error


class _Seen(Exception):
    """The prologue of an XML file is over."""


def _declares(package: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether an XML file has a document type declaration (forbidden in packages by ECMA-376, part 2)."""
    if not member.filename.lower().endswith((".xml", ".rels", ".vml")):
        return False
    found: list[str] = []
    parser = expat.ParserCreate()

    def doctype(*_: object) -> None:
        found.append("doctype")
        raise _Seen

    def element(*_: object) -> None:
        raise _Seen

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = element
    try:
        with package.open(member) as file:
            while piece := file.read(4096):
                parser.Parse(piece)
    except _Seen:
        pass
    except expat.ExpatError as error:
        raise zipfile.BadZipFile("a member is no XML") from error
    return bool(found)
