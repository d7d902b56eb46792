"""The pictures somebody is about to teach from, on disk, so that no reload and no restart loses one: `var/picture_drafts/<person>/`.

    draft.json     which pictures, in their order, with captions and crops
    originals/     as they were uploaded, under plain names; masks beside them as `<stem>.mask.png`
    ready/         what the training sees: cropped and at the size of its bucket, with `captions.json`

A person's name comes from outside: the folder is named by its digest.
"""

import hashlib
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from engine.diffusion.uploads import Box, crop_box, fit, open_picture
from engine.errors import BadInput
from engine.files import read_json, write_bytes, write_json
from engine.settings import settings
from engine.training.dreambooth_pictures import CAPTIONS, LONGEST_CAPTION, MOST, Picture, Size, bucket_of
from pages.data.uploads import plain

_MADE = ".made.json"


@dataclass(frozen=True)
class Entry:
    """One picture of the draft."""

    file: str
    """Its name in `originals/`."""
    caption: str = ""
    at: float = 0.5
    """Where the crop lies along the side that is too long: 0 left or top, 1 right or bottom."""

    @property
    def stem(self) -> str:
        """What picture, mask and ready picture have in common."""
        return Path(self.file).stem


def entries(person: str) -> list[Entry]:
    """The pictures, in their order; one whose file somebody took away is none of them."""
    try:
        kept = [Entry(**entry) for entry in read_json(_folder(person) / "draft.json")]
    except (FileNotFoundError, ValueError, TypeError):
        return []
    return [entry for entry in kept if original(person, entry).is_file()]


def original(person: str, entry: Entry) -> Path:
    """Its file as it was uploaded."""
    return _folder(person) / "originals" / entry.file


def mask_file(person: str, entry: Entry) -> Path:
    """Its mask, if there is one."""
    return _folder(person) / "originals" / f"{entry.stem}.mask.png"


def ready_file(person: str, entry: Entry) -> Path:
    """Its file as the training sees it; `prepare` makes it."""
    return _folder(person) / "ready" / f"{entry.stem}.png"


def add(person: str, name: str, content: bytes, caption: str = "") -> Entry:
    """Take a picture in.

    Raises:
        BadInput: it is no picture that can be opened, it is there already, or there are too many.
    """
    have = entries(person)
    if len(have) >= MOST:
        raise BadInput("There are {most} pictures already: remove some first.", most=MOST)
    open_picture(content, name)
    for entry in have:
        file = original(person, entry)
        if file.stat().st_size == len(content) and file.read_bytes() == content:
            raise BadInput("“{file}” is among the pictures already.", file=plain(name))
    entry = Entry(_free(plain(name), {entry.stem for entry in have}), caption)
    original(person, entry).parent.mkdir(parents=True, exist_ok=True)
    write_bytes(original(person, entry), content)
    _keep(person, [*have, entry])
    return entry


def change(person: str, file: str, **changes: Any) -> None:
    """Give a picture another caption or crop."""
    _keep(person, [replace(entry, **changes) if entry.file == file else entry for entry in entries(person)])


def caption_all(person: str, caption: str) -> None:
    """Give all pictures the same caption."""
    _keep(person, [replace(entry, caption=caption[:LONGEST_CAPTION]) for entry in entries(person)])


def remove(person: str, file: str) -> None:
    """Take a picture out."""
    have = entries(person)
    _keep(person, [entry for entry in have if entry.file != file])
    for entry in have:
        if entry.file == file:
            original(person, entry).unlink(missing_ok=True)
            mask_file(person, entry).unlink(missing_ok=True)


def clear(person: str) -> None:
    """Take all pictures out."""
    shutil.rmtree(_folder(person), ignore_errors=True)


def set_mask(person: str, entry: Entry, name: str, content: bytes) -> None:
    """Say where the thing is on a picture: white.

    Raises:
        BadInput: it is no picture, or has another shape.
    """
    file = mask_file(person, entry)
    open_picture(content, name, background="black").convert("L").save(file)
    try:
        Picture(original(person, entry), mask=file).open_mask()
    except BadInput:
        file.unlink()
        raise


def remove_mask(person: str, entry: Entry) -> None:
    """The whole picture counts again."""
    mask_file(person, entry).unlink(missing_ok=True)


def crop(size: Size, bucket: Size, at: float) -> Box:
    """The part of a picture that is seen: the largest of the bucket's shape.

    Args:
        size: of the picture.
        bucket: whose shape it gets.
        at: where the part lies, from 0 to 1.
    """
    left, top, right, bottom = crop_box(size, *bucket)
    across, down = size[0] - (right - left), size[1] - (bottom - top)
    left, top = round(across * at), round(down * at)
    return left, top, left + size[0] - across, top + size[1] - down


def prepare(person: str, sizes: list[Size]) -> Path:
    """The folder to train from; only what has changed is made anew.

    Args:
        person: whose pictures.
        sizes: of the buckets; each picture is brought to the nearest in shape.
    """
    folder = _folder(person) / "ready"
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, Any] = read_json(folder / _MADE) if (folder / _MADE).exists() else {}
    wanted = {entry.file: _state(person, entry, sizes) for entry in entries(person)}
    for entry in entries(person):
        if made.get(entry.file) != wanted[entry.file]:
            _make(person, entry, sizes)
    names = {entry.stem for entry in entries(person)}
    for file in folder.glob("*.png"):
        if file.name.removesuffix(".png").removesuffix(".mask") not in names:
            file.unlink()
    write_json(folder / CAPTIONS, {f"{e.stem}.png": e.caption for e in entries(person) if e.caption})
    if made != wanted:
        write_json(folder / _MADE, wanted)
    return folder


def _state(person: str, entry: Entry, sizes: list[Size]) -> list[Any]:
    """What a ready picture depends on, as JSON gives it back."""
    mask = mask_file(person, entry)
    return [entry.at, [list(size) for size in sizes], mask.stat().st_mtime_ns if mask.exists() else None]


def _make(person: str, entry: Entry, sizes: list[Size]) -> None:
    picture = Picture(
        original(person, entry), mask=mask_file(person, entry) if mask_file(person, entry).exists() else None
    )
    whole, mask = picture.open(), picture.open_mask()
    bucket = bucket_of(whole.size, sizes)
    box = crop(whole.size, bucket, entry.at)
    file = ready_file(person, entry)
    _save(fit(whole, *bucket, box), file)
    beside = file.with_name(f"{entry.stem}.mask.png")
    beside.unlink(missing_ok=True)
    if mask is not None:
        _save(fit(mask, *bucket, box), beside)


def _save(picture: Image.Image, file: Path) -> None:
    temporary = file.with_name(f".{file.name}")
    picture.save(temporary, "PNG")
    temporary.replace(file)


def _free(name: str, taken: set[str]) -> str:
    """A file name whose stem no other picture has, with no second dot in it."""
    stem, _, ending = name.rpartition(".")
    stem = re.sub(r"[.\s]+", "_", stem or ending)[:60] or "picture"
    ending = f".{ending}" if stem != ending and "." in name else ""
    return next(f"{each}{ending}" for each in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if each not in taken)


def _keep(person: str, kept: list[Entry]) -> None:
    _folder(person).mkdir(parents=True, exist_ok=True)
    write_json(_folder(person) / "draft.json", [asdict(entry) for entry in kept])


def _folder(person: str) -> Path:
    return settings().var / "picture_drafts" / hashlib.sha256(person.encode()).hexdigest()[:24]
