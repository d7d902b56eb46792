"""The pictures that DreamBooth learns from: a folder of them, each with a caption and a mask if there is one.

    robot.jpg        a picture
    robot.txt        its caption; or all captions in captions.json, as {"robot.jpg": "on a table"}
    robot.mask.png   white where the subject is, of the same shape

A run keeps a copy of the whole in its own directory, so that it can be resumed and repeated whatever becomes of the folder.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.diffusion.uploads import open_picture
from engine.errors import BadInput, StudioError
from engine.files import read_json, write_json
from engine.runs import Run

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST, MOST = 3, 50
"""Pictures of a subject: of fewer it learns the background as well, and more belong to another kind of training."""
LONGEST_CAPTION = 1000
CAPTIONS = "captions.json"
_MASK = ".mask.png"
_FRAME = re.compile(r"^(an?|the|photo|picture|image|drawing|of)\s+", re.IGNORECASE)
_WIDEST = 2.0
"""The longer side over the shorter one in the widest bucket; what is wider is cropped."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Picture:
    """One file of the folder."""

    file: Path
    caption: str = ""
    mask: Path | None = None

    def open(self) -> "Image":
        """The picture, upright and RGB.

        Raises:
            BadInput: it cannot be opened, with its name.
        """
        return open_picture(self.file, self.file.name)

    def open_mask(self) -> "Image | None":
        """The mask in grey, if there is one.

        Raises:
            BadInput: it cannot be opened, or has another shape than the picture.
        """
        if self.mask is None:
            return None
        mask, picture = open_picture(self.mask, self.mask.name).convert("L"), self.open()
        if abs(mask.width * picture.height - mask.height * picture.width) > picture.width + picture.height:
            raise BadInput(
                "The mask “{mask}” has another shape than its picture: paint it on the picture itself.",
                mask=self.mask.name,
            )
        return mask.resize(picture.size)


def read_folder(folder: Path) -> list[Picture]:
    """The pictures of a folder by name, none of them opened yet.

    Raises:
        BadInput: there is no such folder, or its captions cannot be read.
    """
    if not folder.is_dir():
        raise BadInput("There is no folder of pictures {folder}.", folder=folder)
    captions = _captions(folder)
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")]
    return [
        Picture(file, captions.get(file.name) or _text(file.with_suffix(".txt")), _mask_of(file))
        for file in files
        if file.name != CAPTIONS and file.suffix.lower() != ".txt" and not file.name.endswith(_MASK)
    ]


def problems(pictures: list[Picture]) -> list[StudioError]:
    """What stands against learning from these pictures: their number, and each one that cannot be opened."""
    found: list[StudioError] = []
    if not LEAST <= len(pictures) <= MOST:
        found.append(
            BadInput(
                "DreamBooth learns from {least} to {most} pictures, and there are {count}: choose the clearest, "
                "of several sides and before several backgrounds.",
                least=LEAST,
                most=MOST,
                count=len(pictures),
            )
        )
    for picture in pictures[:MOST]:
        try:
            picture.open()
            picture.open_mask()
        except StudioError as error:
            found.append(error)
    return found


def freeze(images: Path, run: Run) -> Path:
    """Copy a folder of pictures into a run's directory; a folder of the same kind, from which the run can be repeated.

    Args:
        images: the folder.
        run: whose pictures they will be.
    """
    folder = frozen(run)
    folder.mkdir()
    pictures = read_folder(images)
    for picture in pictures:
        for file in filter(None, (picture.file, picture.mask)):
            shutil.copyfile(file, folder / file.name)
    write_json(folder / CAPTIONS, {picture.file.name: picture.caption for picture in pictures if picture.caption})
    return folder


def frozen(run: Run) -> Path:
    """Where a run's own copy lies."""
    return run.path / "pictures"


def prompt_of(caption: str, instance_prompt: str, trigger_words: str) -> str:
    """What a picture is learnt under: its caption, with the instance prompt before it unless it has the trigger words."""
    if not caption:
        return instance_prompt
    return caption if trigger_words.lower() in caption.lower() else f"{instance_prompt}, {caption}"


def trigger_of(instance_prompt: str) -> str:
    """What calls the subject up: the instance prompt without a beginning such as “a picture of a”."""
    words = instance_prompt.strip()
    while (shorter := _FRAME.sub("", words)) != words:
        words = shorter
    return words


def buckets(resolution: int, divisor: int) -> list[Size]:
    """The sizes that pictures of any shape are brought to: about as many pixels as the square has, sides multiples of `divisor`."""
    sizes = []
    for width in range(divisor, 2 * resolution + 1, divisor):
        height = resolution * resolution // width // divisor * divisor
        if height and max(width, height) <= _WIDEST * min(width, height):
            sizes.append((width, height))
    return sizes


def bucket_of(size: Size, sizes: list[Size]) -> Size:
    """The one of these sizes whose shape is nearest to a picture's."""

    def apart(other: Size) -> float:
        ratio = (size[0] * other[1]) / (size[1] * other[0])
        return max(ratio, 1 / ratio)

    return min(sizes, key=apart)


def _mask_of(file: Path) -> Path | None:
    mask = file.with_name(file.stem + _MASK)
    return mask if mask.is_file() else None


def _captions(folder: Path) -> dict[str, str]:
    file = folder / CAPTIONS
    if not file.exists():
        return {}
    try:
        captions = read_json(file)
    except (OSError, ValueError):
        captions = None
    if not isinstance(captions, dict) or not all(isinstance(caption, str) for caption in captions.values()):
        raise BadInput(
            "{file} must hold captions by file name, such as {example}.", file=file, example='{"a.png": "…"}'
        )
    return {name: caption.strip()[:LONGEST_CAPTION] for name, caption in captions.items()}


def _text(file: Path) -> str:
    if not file.is_file():
        return ""
    try:
        return " ".join(file.read_text(encoding="utf-8-sig").split())[:LONGEST_CAPTION]
    except UnicodeDecodeError as error:
        raise BadInput("The caption {file} is no UTF-8 text: save it as UTF-8.", file=file.name) from error
