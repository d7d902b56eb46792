"""The picture on an adapter's card: its cover if it has one that can be opened, else a plain ground in a colour of its own."""

import colorsys
import hashlib
from pathlib import Path

import streamlit as st
from PIL import Image

from engine.adapters.store import COVER, Adapter
from engine.diffusion.uploads import crop_box, fit, open_picture
from engine.errors import BadInput

_SIZE = (384, 288)


def cover(adapter: Adapter) -> Image.Image:
    """The cover at the size of a card; one from outside is checked like any other upload."""
    file = adapter.path / COVER
    return _opened(file, file.stat().st_mtime_ns, adapter.name) if file.is_file() else _ground(adapter.name)


@st.cache_data(max_entries=200, show_spinner=False)
def _opened(file: Path, modified: int, name: str) -> Image.Image:
    try:
        picture = open_picture(file, file.name)
        return fit(picture, *_SIZE, crop_box(picture.size, *_SIZE))
    except BadInput:
        return _ground(name)


@st.cache_data(max_entries=200, show_spinner=False)
def _ground(name: str) -> Image.Image:
    """Two tones that fade into each other; the same for a name each time."""
    hue = hashlib.sha256(name.encode()).digest()[0] / 255
    left, right = (
        Image.new("RGB", _SIZE, tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue + turn, 0.62, 0.3)))
        for turn in (0.0, 0.08)
    )
    fade = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize(_SIZE)
    return Image.composite(right, left, fade)
