"""Pictures beside each other in one file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def grid(pictures: "list[Image]", columns: int, file: Path) -> None:
    """Save pictures of one size as rows of so many columns, on white."""
    from PIL import Image

    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * width, number // columns * height))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
