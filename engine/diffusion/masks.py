"""Masks for inpainting: grey pictures of the source's size, white where it is drawn anew, black where it stays."""

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from engine.diffusion.uploads import open_picture
from engine.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

_ASPECTS = 0.13
"""How far aspects may differ: sides are rounded to multiples of 8, which is an eighth at 64."""

_ANY = [0] + [255] * 255
"""White for whatever is not black."""


def from_drawing(drawing: "np.ndarray | Image.Image", size: tuple[int, int]) -> Image.Image:
    """The mask that a person painted.

    Args:
        drawing: RGBA, transparent but where a stroke is; any stroke counts, however thin its paint.
        size: of the source picture: width, height.

    Raises:
        BadInput: nothing is painted.
    """
    if not isinstance(drawing, Image.Image):
        drawing = Image.fromarray(drawing.astype("uint8"), "RGBA")
    return _finished(drawing.convert("RGBA").getchannel("A").point(_ANY), size)


def from_upload(data: bytes | Path, name: str, size: tuple[int, int]) -> Image.Image:
    """The mask in a file: white and whatever is nearer to white is drawn anew; what is transparent stays.

    Args:
        data: the file's content, or where it lies.
        name: what it is called.
        size: of the source picture: width, height.

    Raises:
        BadInput: it is no picture, its shape is another than the source's, or nothing in it is white.
    """
    picture = open_picture(data, name, background="black")
    ratio = (picture.width * size[1]) / (picture.height * size[0])
    if not 1 - _ASPECTS < ratio < 1 + _ASPECTS:
        raise BadInput(
            "The mask has {width} × {height} pixels and the picture {wide} × {high}: they need the same shape.",
            width=picture.width,
            height=picture.height,
            wide=size[0],
            high=size[1],
        )
    return _finished(picture.convert("L").point([0] * 128 + [255] * 128), size)


def _finished(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    if mask.size != size:  # made smaller, a thin stroke must not fall between the pixels
        mask = mask.resize(size, Image.Resampling.BOX).point(_ANY)
    if not mask.getbbox():
        raise BadInput(
            "Nothing is marked to be drawn anew: paint over a part of the picture, or make it white in the mask."
        )
    return mask
