"""Small made-up packages and pictures: discs and squares in plain colours stand for emoji."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from engine.diffusion.emoji import PACKAGES, STYLES, Emoji, Noun

NOUNS = [
    Noun("1f34e", "red apple", "红苹果", ["fruit", "red", "snack"], ["水果"]),
    Noun("1f40b", "whale", "鲸鱼", ["animal", "sea"], ["动物"]),
]
COLOURS = ["red", "blue"]


def draw(noun: int, style: int, size: int = 64) -> Image.Image:
    """A transparent picture: the noun's colour, the style's shape."""
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    shape = ImageDraw.Draw(picture)
    box = (size // 4, size // 4, 3 * size // 4, 3 * size // 4)
    (shape.ellipse, shape.rectangle, shape.pieslice)[style](
        box, **({"start": 0, "end": 200} if style == 2 else {}), fill=COLOURS[noun]
    )
    return picture


def drawn_emoji() -> Emoji:
    """Two nouns in three styles, without any archive."""
    places = [(noun, style) for noun in range(2) for style in range(3)]
    white = Image.new("RGBA", (64, 64), "white")
    pixels = [np.asarray(Image.alpha_composite(white, draw(*place)).convert("RGB")) for place in places]
    return Emoji(NOUNS, np.stack(pixels), [noun for noun, _ in places], [style for _, style in places])


def write_packages(folder: Path) -> None:
    """Archives as npm packs them: names in two languages, a picture of each noun in each style, and what must be passed over."""
    rows = [
        {"hexcode": "1F34E", "label": "red apple", "tags": ["fruit"], "subgroup": 42},
        {"hexcode": "2600-FE0F", "label": "sun", "tags": ["bright"], "subgroup": 59},
        {"hexcode": "1F550", "label": "one o’clock", "tags": ["clock"], "subgroup": 58},
    ]
    chinese = [{**row, "label": label, "tags": []} for row, label in zip(rows, ["红苹果", "太阳", "一点"], strict=True)]
    names = {"package/en/data.json": json.dumps(rows).encode(), "package/zh/data.json": json.dumps(chinese).encode()}
    _archive(folder / PACKAGES["emojibase-data"].file, names)
    for number, style in enumerate(STYLES):
        size = 100 if number == 0 else 64
        pictures = {
            f"{style.folder}{code}{style.suffix}": _file(draw(0, number, size), style.suffix)
            for code in ("1f34e", "2600-fe0f", "1f550")
        }
        if number == 2:
            del pictures[f"{style.folder}2600-fe0f{style.suffix}"]
        _archive(folder / PACKAGES[style.package].file, {**pictures, "package/package.json": b"{}"})


def _file(picture: Image.Image, suffix: str) -> bytes:
    content = io.BytesIO()
    picture.save(content, "WEBP" if suffix == ".webp" else "PNG")
    return content.getvalue()


def _archive(file: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(file, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
