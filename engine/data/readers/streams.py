"""The content of a text file as bytes: unpacked, in UTF-8, without a byte order mark.

Packing and encoding are told by the content, never by the name. Nothing here knows of rows, and a megabyte or two is held at
a time. What damage in a packed file raises (`DAMAGE`) passes through.
"""

import codecs
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 16 * 2**20
"""Bytes that one line, table row or array element may have."""

CHUNK = 2**20
DAMAGE = (OSError, EOFError, zlib.error)

_PIECE = 8192  # what is unpacked at once: what stands in the same piece before damage is lost with it
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # RFC 1952, RFC 8878
_BOM = codecs.BOM_UTF8
_VOTES, _SCANNED = 1000, 16 * 2**20


@dataclass
class Place:
    """How far a reading has come."""

    position: int = 0
    """Bytes of the file on disk."""


class CountedFile(io.FileIO):
    """A file that notes in `place` how much of it was read."""

    def __init__(self, path: Path, place: Place | None = None):
        super().__init__(path)
        self._place = place or Place()

    def readinto(self, buffer: Any) -> int | None:
        """As every file does."""
        count = super().readinto(buffer)
        self._place.position += count or 0
        return count


def compression_of(path: Path) -> str:
    """`gzip`, `zstd` or `none`."""
    with path.open("rb") as file:
        head = file.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "none")


def encoding_of(path: Path, compression: str) -> str:
    """`utf-16` by its mark; `gb18030` if more of the first lines beyond ASCII decode so than as UTF-8; or `utf-8`."""
    votes: Counter[str] = Counter()
    with CountedFile(path) as file:
        try:
            stream = _unpack(file, compression)
            if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "utf-16"
            for line in _lines_that_tell(stream):
                votes.update(name for name in ("utf-8", "gb18030") if _decodes(line, name))
        except DAMAGE:  # whoever reads the rows will meet it too
            pass
    return "gb18030" if votes["gb18030"] > votes["utf-8"] else "utf-8"


def open_text(file: CountedFile, compression: str, encoding: str) -> "io.BufferedReader[Any]":
    """A file's content. What does not decode is no UTF-8 in the content either, so that it spoils its own line alone."""
    stream = _unpack(file, compression)
    if encoding != "utf-8":
        stream = io.BufferedReader(_Transcoded(stream, encoding), CHUNK)
    if stream.peek(3).startswith(_BOM):
        stream.read(3)
    return stream


def read_line(stream: io.BufferedReader) -> bytes | None:
    """The next line with its end; empty at the end of the content; None in place of a line beyond `LIMIT`."""
    line = stream.readline(LIMIT + 1)
    if len(line) <= LIMIT:
        return line
    while line and not line.endswith(b"\n"):
        line = stream.readline(CHUNK)
    return None


def read_chunk(stream: io.BufferedReader, size: int = 0) -> bytes:
    """The next megabyte, or `size` if that is more; before damage all that is whole, so that only the next call meets it."""
    data = bytearray()
    try:
        while len(data) < max(CHUNK, size) and (piece := stream.read1(CHUNK)):
            data += piece
    except DAMAGE:
        if not data:
            raise
    return bytes(data)


def _unpack(file: CountedFile, compression: str) -> "io.BufferedReader[Any]":
    packed = io.BufferedReader(file, CHUNK)
    if compression == "gzip":
        return io.BufferedReader(_Pieces(gzip.GzipFile(fileobj=packed).read1), CHUNK)
    if compression == "zstd":
        import pyarrow as pa

        return io.BufferedReader(_Pieces(pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd").read), CHUNK)
    return packed


class _Pieces(io.RawIOBase):
    """What a function reads, a small piece at a time."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._read(min(len(buffer), _PIECE))
        buffer[: len(piece)] = piece
        return len(piece)


class _Transcoded(io.RawIOBase):
    """A stream of another encoding as UTF-8; each stretch that does not decode becomes half a surrogate pair."""

    def __init__(self, stream: io.BufferedReader, encoding: str):
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)(_HALF_SURROGATE).decode
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._stream.read1(CHUNK)
            self._ready = self._decode(data, not data).encode("utf-8", "surrogatepass")
            if not data:
                break
        piece, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


_HALF_SURROGATE = "studio-half-surrogate"


def _half_surrogate(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error(_HALF_SURROGATE, _half_surrogate)


def _lines_that_tell(stream: io.BufferedReader) -> Iterator[bytes]:
    """The first lines that are not plain ASCII; of longer lines their first megabyte."""
    found = scanned = 0
    whole = True
    while found < _VOTES and scanned < _SCANNED and (line := stream.readline(CHUNK)):
        begins, whole = whole, line.endswith(b"\n")
        scanned += len(line)
        if begins and not line.isascii():
            found += 1
            yield line


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        # a long line may be cut within a character
        codecs.getincrementaldecoder(encoding)().decode(line, final=line.endswith(b"\n"))
    except UnicodeDecodeError:
        return False
    return True
