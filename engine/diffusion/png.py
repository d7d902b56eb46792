"""Pictures that carry their recipe: written into PNG files, read back from them and from what AUTOMATIC1111's web UI writes.

A PNG file has chunks of text. Two of them are ours to write: `studio` is the recipe as JSON, and `parameters` is what the
web UI, Civitai and ComfyUI understand (`engine.diffusion.infotext`). They are read without decoding the picture and within
bounds, as a chunk of a kilobyte may unpack to gigabytes.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin
from pydantic import ValidationError

from engine.diffusion import infotext
from engine.diffusion.recipe import Recipe
from engine.diffusion.uploads import check_kind, read_limited, shown_name
from engine.errors import BadInput
from engine.files import write_bytes

OURS, THEIRS = "studio", "parameters"
_MOST_TEXT = 2**22
"""Bytes of one chunk's text, unpacked: recipes have a few thousand."""
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def write_png(image: Image.Image, recipe: Recipe, file: Path) -> None:
    """Save a picture with its recipe inside; the file appears whole."""
    write_bytes(file, png_bytes(image, recipe))


def png_bytes(image: Image.Image, recipe: Recipe | None = None) -> bytes:
    """A picture as the content of a PNG file, with its recipe inside."""
    notes = PngImagePlugin.PngInfo()
    if recipe:
        notes.add_text(THEIRS, _CONTROL.sub("", infotext.write(recipe)))
        notes.add_text(OURS, recipe.model_dump_json())
    content = io.BytesIO()
    image.save(content, "PNG", pnginfo=notes)
    return content.getvalue()


def read_recipe(file: Path | bytes, name: str | None = None) -> Recipe:
    """What a picture was made with: our own note whole, else the web UI's as far as it goes.

    Args:
        file: a PNG, or a JPEG or WebP of the web UI's: where it lies, or its content.
        name: what it is called, for the sentences.

    Raises:
        BadInput: it is no picture, or no recipe is in it that can be read.
    """
    name = name or (file.name if isinstance(file, Path) else "picture")
    content = read_limited(file, shown_name(name))
    kind = check_kind(content, name)
    notes = dict(_notes(content)) if kind == "PNG" else {THEIRS: _user_comment(content, kind)}
    recipe = _own(notes.get(OURS, "")) or infotext.read(_CONTROL.sub("", notes.get(THEIRS, "").replace("\r\n", "\n")))
    if recipe is None:
        raise BadInput(
            "“{file}” does not say what it was made with: choose a PNG that this studio or AUTOMATIC1111 saved.",
            file=shown_name(name),
        )
    return recipe


def _own(text: str) -> Recipe | None:
    try:
        recipe = Recipe.model_validate_json(text)
    except ValidationError:  # not JSON, nested without end, wrong types: whatever it is, it is none of ours
        return None
    return Recipe.model_validate(_without_controls(recipe.model_dump()))


def _without_controls(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROL.sub("", value)
    if isinstance(value, list):
        return [_without_controls(each) for each in value]
    if isinstance(value, dict):
        return {_CONTROL.sub("", name): _without_controls(each) for name, each in value.items()}
    return value


def _notes(content: bytes) -> Iterator[tuple[str, str]]:
    """The texts of a PNG file that concern us (https://www.w3.org/TR/png-3/#11textinfo)."""
    place = 8
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = content[place + 8 : place + 8 + length].partition(b"\0")
            if keyword in (OURS.encode(), THEIRS.encode()) and (text := _text(kind, rest)) is not None:
                yield keyword.decode(), text
        place += 12 + length


def _text(kind: bytes, rest: bytes) -> str | None:
    if kind == b"tEXt":
        return rest.decode("latin-1") if len(rest) <= _MOST_TEXT else None
    packed = True
    if kind == b"iTXt":  # packed or not, how, language, translated keyword
        packed = rest[:1] == b"\1"
        _, _, rest = rest[2:].partition(b"\0")
        _, _, rest = rest.partition(b"\0")
    else:
        rest = rest[1:]
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, _MOST_TEXT + 1)
        except zlib.error:
            return None
    if len(rest) > _MOST_TEXT:
        return None
    return rest.decode("latin-1" if kind == b"zTXt" else "utf-8", "replace")


def _user_comment(content: bytes, kind: str) -> str:
    """What the web UI writes into JPEG and WebP files."""
    try:
        exif = Image.open(io.BytesIO(content), formats=[kind.upper()]).getexif()
        comment = exif.get_ifd(_EXIF).get(_USER_COMMENT, b"")
    except Exception:  # PIL raises all sorts of things over damaged notes
        return ""
    if not isinstance(comment, bytes) or len(comment) > _MOST_TEXT:
        return ""
    coding, text = comment[:8], comment[8:]
    return text.decode("utf-16-be" if coding.startswith(b"UNICODE") else "utf-8", "replace")
