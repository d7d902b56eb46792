"""Files, folders and zips become files that can be loaded, one after the other.

Members of a zip are unpacked under names of our own, so no name in it reaches the disk; whatever is not taken is reported with
a reason, and the rest goes in. Nothing outside the folders and zips that were asked for is read.
"""

import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from engine.errors import BadInput, StudioError, is_disk_full
from engine.knowledge.loaders import refuse_too_big
from engine.knowledge.loaders.kinds import suffix_of
from engine.knowledge.loaders.packages import MOST_MEMBERS, TooMuch, is_bomb, open_package
from engine.knowledge.loaders.page import clean

MOST_UNPACKED = 2 * 2**30
"""Bytes that one zip may have unpacked."""

_CHUNK = 2**20
_NO_DOCUMENTS = ("__MACOSX", "Thumbs.db", "desktop.ini")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
_CHINESE = re.compile("[\u4e00-\u9fff]{2}")


@dataclass
class Found:
    """A file that can be loaded, or the reason why one is not taken."""

    name: str
    """What it is called: the way to it inside its folder or zip, with `/`, or the file's own name."""

    path: Path | None
    reason: StudioError | None = None


def expand(paths: list[Path], into: Path) -> Iterator[Found]:
    """All files in these files, folders and zips; members of zips are written into the folder `into`, which must exist.

    Raises:
        OSError: nothing more can be written.
    """
    numbers = count(1)
    for path in paths:
        if path.is_dir():
            yield from _folder(path, into, numbers)
        else:
            yield from _file(path, path.name, into, numbers)


def _folder(folder: Path, into: Path, numbers: Iterator[int]) -> Iterator[Found]:
    home, empty = folder.resolve(), True
    for path in sorted(folder.rglob("*")):  # rglob does not follow links to folders
        parts = path.relative_to(folder).parts
        if any(map(_is_hidden, parts)) or not path.is_file() or not path.resolve().is_relative_to(home):
            continue
        empty = False
        yield from _file(path, "/".join(parts), into, numbers)
    if empty:
        yield _refused(folder.name, BadInput("The folder “{folder}” holds no documents.", folder=folder.name))


def _file(path: Path, name: str, into: Path, numbers: Iterator[int]) -> Iterator[Found]:
    name = clean(name).replace("\n", " ")
    if not path.is_file():
        yield _refused(name, BadInput("There is no file “{file}”.", file=name))
    elif path.suffix.lower() == ".zip":
        prefix = f"{name}/" if "/" in name else ""
        yield from _zip(path, name, prefix, into, numbers)
    else:
        yield _checked(name, path, path.stat().st_size)


def _checked(name: str, path: Path, size: int) -> Found:
    try:
        suffix_of(name)
        refuse_too_big(size, name)
    except BadInput as reason:
        return _refused(name, reason)
    return Found(name, path)


def _zip(path: Path, name: str, prefix: str, into: Path, numbers: Iterator[int]) -> Iterator[Found]:
    try:
        package = open_package(path)
    except TooMuch:
        yield _refused(name, _too_much(name))
        return
    except _DAMAGE:
        yield _refused(name, BadInput("“{file}” is damaged or no zip: pack it again.", file=name))
        return
    with package:
        if is_bomb(package, path, MOST_UNPACKED):
            yield _refused(name, _too_much(name))
            return
        found = None
        for found in _members(package, prefix, into, numbers):
            yield found
        if found is None:
            yield _refused(name, BadInput("“{file}” holds no documents.", file=name))


def _members(package: zipfile.ZipFile, prefix: str, into: Path, numbers: Iterator[int]) -> Iterator[Found]:
    left = MOST_UNPACKED
    for member in package.filelist:
        inner = name_of(member)
        name = prefix + inner
        parts = [part for part in inner.split("/") if part not in ("", ".")]
        reason = _unsafe(member, inner, name)
        if not reason and (member.is_dir() or inner.endswith("/") or any(map(_is_hidden, parts))):
            continue
        reason = reason or _unwanted(member, name)
        if reason:
            yield _refused(name, reason)
            continue
        target = _new_file(into, Path(inner).suffix.lower(), numbers)
        try:
            left -= _unpack(package, member, target, left)
        except _DAMAGE as error:
            target.unlink(missing_ok=True)
            if is_disk_full(error):
                raise
            yield _refused(name, BadInput("“{file}” is damaged in its zip: pack it again.", file=name))
            continue
        yield Found(name, target)


def name_of(member: zipfile.ZipInfo) -> str:
    """What a member is called. Chinese programs write GBK without saying so, and zipfile then takes it for code page 437."""
    name = member.filename
    if not member.flag_bits & 0x800:
        name = _repaired(name)
    return clean(name.replace("\\", "/")).replace("\n", " ")[:500]


def _repaired(name: str) -> str:
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "gb2312", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        # nearly all bytes are something in GB18030: two signs in a row are Chinese, single ones an accent of code page 437
        if encoding != "gb18030" or _CHINESE.search(text):
            return text
    return name


def _unsafe(member: zipfile.ZipInfo, inner: str, name: str) -> BadInput | None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if ".." in inner.split("/") or inner.startswith("/") or re.match("[A-Za-z]:", inner):
        return BadInput("“{file}” leads out of its zip: it is left out.", file=name)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return BadInput("“{file}” is a link or a device and no document: it is left out.", file=name)
    return None


def _unwanted(member: zipfile.ZipInfo, name: str) -> BadInput | None:
    if name.lower().endswith(".zip"):
        return BadInput("“{file}” is a zip inside a zip: unpack it, and add what it holds.", file=name)
    try:
        suffix_of(name)
        refuse_too_big(member.file_size, name)
    except BadInput as reason:
        return reason
    if member.flag_bits & 1:
        return BadInput("“{file}” is protected by a password: pack it without one, and add that.", file=name)
    return None


def _new_file(into: Path, suffix: str, numbers: Iterator[int]) -> Path:
    while True:
        target = into / f"{next(numbers):04}{suffix}"
        if not target.exists():
            return target


def _unpack(package: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write a member; how many bytes it has. What the zip says of its size is not trusted.

    Raises:
        ValueError: it has more than it says, or than is left to this zip.
    """
    size = 0
    with package.open(member) as source, target.open("xb") as file:
        while piece := source.read(_CHUNK):
            size += len(piece)
            if size > min(left, member.file_size):
                raise ValueError("longer than it says")
            file.write(piece)
    return size


def _is_hidden(part: str) -> bool:
    return part.startswith((".", "~$")) or part in _NO_DOCUMENTS


def _refused(name: str, reason: StudioError) -> Found:
    return Found(name, None, reason)


def _too_much(name: str) -> BadInput:
    return BadInput(
        "“{file}” would unpack to far more than it is: zips may have {members} members and {most} GB, so pack smaller ones.",
        file=name,
        members=f"{MOST_MEMBERS:,}",
        most=MOST_UNPACKED // 2**30,
    )
