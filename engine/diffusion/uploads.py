"""Pictures from outside, made plain: upright, RGB, without transparency, animation or metadata.

A file is what its first bytes say, whatever it is called. Bytes and pixels are counted before anything is decoded, as a file
of a few kilobytes can hold a picture that fills the memory.
"""

import io
import struct
import zlib
from pathlib import Path, PurePosixPath

from PIL import Image

from engine.errors import BadInput

MAX_BYTES = 64 * 2**20
"""Twice the largest JPEG of a telephone; a PNG of `MAX_PIXELS` photographed pixels may be larger, and JPEG does for it."""
MAX_PIXELS = 64_000_000
"""Telephones take 50 million; decoded, this many fill 256 MB, which a machine for pictures has."""

_SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "WebP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
}
"""What can be opened, with the names it may have."""
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"PK\x03\x04": "ZIP",
    b"PK\x05\x06": "ZIP",
    b"%PDF": "PDF",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"8BPS": "PSD",
    b"\x1f\x8b": "GZIP",
    b"\x28\xb5\x2f\xfd": "ZSTD",
    b"7z\xbc\xaf": "7Z",
    b"Rar!": "RAR",
    b"\x7fELF": "ELF",
    b"MZ": "EXE",
    b"\x00\x00\x01\x00": "ICO",
    b"\x1aE\xdf\xa3": "WebM",
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → how the picture gets upright."""
_ORIENTATION = 0x0112

Box = tuple[int, int, int, int]


def open_picture(data: bytes | Path, name: str, background: str = "white") -> Image.Image:
    """A picture from outside, ready for use: RGB, upright, without metadata; of an animation the first frame.

    Args:
        data: the file's content, or where it lies.
        name: what it is called, for the sentences; its ending must not say that it is something else.
        background: what shows through where it is transparent.

    Raises:
        BadInput: it is no picture, another kind than its name says, too large, or damaged.
    """
    shown = shown_name(name)
    content = read_limited(data, shown)
    kind = check_kind(content, name)
    try:
        # the kind alone is tried: PIL would otherwise let forty decoders guess
        picture = Image.open(io.BytesIO(content), formats=[kind.upper()])
    except Image.DecompressionBombError:
        raise _too_many(shown) from None
    except Exception:  # decoders raise all sorts of things over a damaged file
        raise _damaged(shown) from None
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_many(shown)
    try:
        return _plain(picture, background)
    except Exception:
        raise _damaged(shown) from None


def read_limited(data: bytes | Path, shown: str) -> bytes:
    """The content of a file that is not too large to be a picture.

    Raises:
        BadInput: it is too large, empty, or not there.
    """
    if isinstance(data, Path) and not data.is_file():
        raise BadInput("There is no file {file}.", file=data)
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    if size > MAX_BYTES:
        raise BadInput(
            "“{file}” has {size} MiB; a picture may have {most}: save it smaller, or as JPEG.",
            file=shown,
            size=size >> 20,
            most=MAX_BYTES >> 20,
        )
    if not size:
        raise BadInput("“{file}” is empty: choose another picture.", file=shown)
    return data.read_bytes() if isinstance(data, Path) else bytes(data)


def check_kind(content: bytes, name: str) -> str:
    """What kind of picture this is: PNG, JPEG, WebP, GIF or BMP.

    Raises:
        BadInput: it is something else, or its name says that it is.
    """
    kind, ending = kind_of(content), PurePosixPath(name).suffix.lower()
    if kind is None:
        raise BadInput(
            "“{file}” is not a picture: choose a PNG, JPEG, WebP, GIF or BMP file.",
            file=shown_name(name),
        )
    if kind not in _SUFFIXES:
        raise BadInput(
            "“{file}” is not a picture that can be opened here, but {kind}: choose a PNG, JPEG, WebP, GIF or BMP file.",
            file=shown_name(name),
            kind=kind,
        )
    if ending and ending not in _SUFFIXES[kind]:
        raise BadInput(
            "“{file}” is really {kind}, and its name says something else: let the name end with {ending}.",
            file=shown_name(name),
            kind=kind,
            ending=_SUFFIXES[kind][0],
        )
    return kind


def kind_of(content: bytes) -> str | None:
    """What a file is by its first bytes, such as `PNG` or `HTML`; None for what is not known here."""
    for start, kind in _STARTS.items():
        if content.startswith(start):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    if content[4:8] == b"ftyp":
        brand = content[8:12].decode("ascii", "replace")
        return {"avif": "AVIF", "avis": "AVIF", "heic": "HEIC", "heix": "HEIC", "mif1": "HEIC"}.get(brand, "MP4")
    return _kind_of_text(content)


def _kind_of_text(content: bytes) -> str | None:
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in head and head.startswith(b"<"):
        return "SVG"
    if head.startswith((b"<!doctype html", b"<html", b"<script", b"<body", b"<head")):
        return "HTML"
    if head.startswith(b"<"):
        return "XML"
    try:
        text = content[:4096].decode("utf-8", "strict" if len(content) <= 4096 else "ignore")
    except UnicodeDecodeError:
        return None
    return "TXT" if all(character.isprintable() or character.isspace() for character in text) else None


def _plain(picture: Image.Image, background: str) -> Image.Image:
    picture.load()
    turn = _TURNS.get(_orientation(picture))
    if picture.mode.startswith("I"):  # 16 bits of grey: PIL would cut off what is above 255
        import numpy as np

        picture = Image.fromarray((np.asarray(picture) // 257).clip(0, 255).astype("uint8"))
    # pasting into a new picture leaves everything behind but the pixels
    plain = Image.new("RGB", picture.size, background)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        plain.paste(picture, mask=picture.getchannel("A"))
    else:
        plain.paste(picture.convert("RGB"))
    return plain if turn is None else plain.transpose(turn)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except (ValueError, TypeError, KeyError, OSError, SyntaxError, struct.error, zlib.error):
        return 1  # broken notes of a camera are no reason to refuse its picture


def crop_box(size: tuple[int, int], width: int, height: int) -> Box:
    """The largest box of this aspect in the middle of a picture: left, top, right, bottom.

    Args:
        size: of the picture.
        width: together with `height` the aspect.
        height: see there.
    """
    scale = min(size[0] / width, size[1] / height)
    wide, high = (max(1, min(most, round(side * scale))) for most, side in zip(size, (width, height), strict=True))
    left, top = (size[0] - wide) // 2, (size[1] - high) // 2
    return left, top, left + wide, top + high


def fit(image: Image.Image, width: int, height: int, box: Box | None = None) -> Image.Image:
    """A part of a picture at another size, never distorted; sides are rounded to multiples of 8.

    Args:
        image: the whole picture.
        width: of the result.
        height: of the result.
        box: the part: left, top, right, bottom; of it the middle is taken if its aspect is another. By default the whole.

    Raises:
        BadInput: the box has nothing of the picture in it.
    """
    left, top, right, bottom = box or (0, 0, *image.size)
    left, top = max(0, left), max(0, top)
    right, bottom = min(image.width, right), min(image.height, bottom)
    if right <= left or bottom <= top:
        raise BadInput("This crop holds nothing of the picture: choose a part that lies inside it.")
    width, height = by_eight(width), by_eight(height)
    inner = crop_box((right - left, bottom - top), width, height)
    part = (left + inner[0], top + inner[1], left + inner[2], top + inner[3])
    return image.crop(part).resize((width, height), Image.Resampling.LANCZOS)


def by_eight(side: int) -> int:
    """The multiple of 8 nearest to a side, at least 8: the latent of a picture has an eighth of its side."""
    return max(8, (side + 4) // 8 * 8)


def shown_name(name: str) -> str:
    """A file's name as sentences show it: short, and without signs that steer a terminal."""
    name = "".join(
        character if character.isprintable() else "�" for character in name.replace("\\", "/").split("/")[-1]
    )
    return name if len(name) <= 100 else name[:60] + "…" + name[-30:]


def _too_many(shown: str) -> BadInput:
    return BadInput(
        "“{file}” has more than {most} million pixels: make it smaller first.", file=shown, most=MAX_PIXELS // 1_000_000
    )


def _damaged(shown: str) -> BadInput:
    return BadInput("“{file}” is cut short or damaged: copy it again, or save it anew.", file=shown)
