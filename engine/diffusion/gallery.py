"""Every picture that was drawn: a PNG file each under var/pictures/, with its recipe inside, and an index in the database.

    <id>.png          the picture
    <id>.json         who drew it, when, and whether it is a favourite: what the PNG does not tell strangers
    thumbnails/       made when they are first asked for
    sources/<sha256>.png   sources and masks of the pictures, kept once and as long as a picture names them, a day without

The files are what counts: `rebuild` makes the index anew from them. An id is random, and nothing becomes a path that is not
an id in the index.
"""

import hashlib
import io
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from sqlalchemy import JSON, Index, Select, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from engine.database import Base, UtcTime, now, session, writing
from engine.diffusion.infotext import lenient
from engine.diffusion.png import png_bytes, read_recipe
from engine.diffusion.recipe import Mode, Recipe
from engine.errors import BadInput
from engine.files import read_json, write_bytes, write_json
from engine.settings import settings

if TYPE_CHECKING:
    from engine.diffusion.drawing import Drawing

THUMBNAIL = 256
"""The longer side of a thumbnail, in pixels."""
_UNUSED = 24 * 3600
"""Seconds that a source is kept without a picture that was made from it."""
_ID = re.compile(r"[0-9a-f]{32}")
_NOBODY = ""


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery."""

    id: str
    file: Path
    recipe: Recipe
    created: datetime
    person: str
    favourite: bool = False

    @property
    def gone(self) -> bool:
        """Whether somebody took the file away; its recipe is still known."""
        return not self.file.is_file()


class PictureRow(Base):
    """`Picture` in the index."""

    __tablename__ = "pictures"
    __table_args__ = (Index("pictures_newest", "created", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    created: Mapped[datetime] = mapped_column(UtcTime)
    person: Mapped[str] = mapped_column(index=True)
    favourite: Mapped[bool] = mapped_column(default=False, index=True)
    mode: Mapped[str]
    recipe: Mapped[dict[str, Any]] = mapped_column(JSON)
    words: Mapped[str]
    """What is searched, in small letters."""
    source: Mapped[str | None] = mapped_column(index=True)
    mask: Mapped[str | None] = mapped_column(index=True)


def add(drawing: "Drawing", person: str, source: Image.Image | None = None, mask: Image.Image | None = None) -> Picture:
    """Keep a picture that was drawn; when this returns, it is on disk.

    Args:
        drawing: the picture and its recipe.
        person: who drew it.
        source: the picture it was made from; its hash is written into the recipe.
        mask: likewise.
    """
    kept = {name: png_bytes(image) for name, image in (("source", source), ("mask", mask)) if image}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in kept.items()}
    recipe = drawing.recipe.model_copy(update=hashes)
    picture = Picture(uuid.uuid4().hex, _folder(), recipe, now(), person)
    content = png_bytes(drawing.image, recipe)
    # under the database's lock: nobody sweeps away a source between its file and the row that names it
    with writing() as db:
        for name, digest in hashes.items():
            if not (file := _source_file(digest)).exists():
                write_bytes(file, kept[name])
        write_bytes(_file(picture.id), content)
        _write_note(picture)
        db.add(_row(picture))
    return get(picture.id)


def find(
    words: str = "",
    person: str | None = None,
    limit: int | None = None,
    offset: int = 0,
    *,
    mode: Mode | None = None,
    favourites: bool = False,
) -> list[Picture]:
    """The pictures that match, newest first.

    Args:
        words: each of them occurs in the prompts, the idea, or the name of the model or of a LoRA.
        person: only what this person drew.
        limit: at most so many.
        offset: without the first so many.
        mode: only what was drawn this way.
        favourites: only those.
    """
    query = _where(select(PictureRow), words, person, mode, favourites)
    query = query.order_by(PictureRow.created.desc(), PictureRow.id.desc()).limit(limit).offset(offset)
    with _indexed() as db:
        return [_picture(row) for row in db.scalars(query)]


def count(words: str = "", person: str | None = None, *, mode: Mode | None = None, favourites: bool = False) -> int:
    """How many pictures `find` has, whatever the limit."""
    with _indexed() as db:
        return db.scalars(_where(select(func.count(PictureRow.id)), words, person, mode, favourites)).one()


def get(picture_id: str) -> Picture:
    """One picture.

    Raises:
        BadInput: there is none with this id.
    """
    with session() as db:
        return _picture(_found(db, picture_id))


def set_favourite(picture_id: str, favourite: bool) -> None:
    """Mark a picture, or take the mark away.

    Raises:
        BadInput: there is no such picture.
    """
    with writing() as db:
        row = _found(db, picture_id)
        row.favourite = favourite
        _write_note(_picture(row))


def delete(picture_id: str) -> None:
    """Remove a picture with all its files, and its source and mask unless another picture has them too.

    Raises:
        BadInput: there is no such picture.
    """
    with writing() as db:
        row = _found(db, picture_id)
        named = {digest for digest in (row.source, row.mask) if digest}
        db.delete(row)
        db.flush()
        for file in (_file(row.id), _note_file(row.id), _thumbnail_file(row.id)):
            file.unlink(missing_ok=True)
        for digest in named:
            if not _is_used(db, digest):
                _source_file(digest).unlink(missing_ok=True)


def image_of(picture: Picture) -> Image.Image:
    """The picture itself.

    Raises:
        BadInput: its file is gone or broken.
    """
    return _opened(
        picture.file,
        "The file of this picture is gone or damaged: draw it again, or delete it from the gallery.",
    )


def thumbnail(picture: Picture) -> Path:
    """A small file that shows the picture; pictures that are small themselves are shown as they are.

    Raises:
        BadInput: the picture's file is gone or broken.
    """
    if max(picture.recipe.width, picture.recipe.height) <= THUMBNAIL and not picture.gone:
        return picture.file
    file = _thumbnail_file(picture.id)
    if not file.exists():
        image = image_of(picture)
        image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        image.save(content := io.BytesIO(), "WEBP", quality=85)
        write_bytes(file, content.getvalue())
    return file


def keep_source(image: Image.Image) -> str:
    """Keep a source or mask before anything is drawn from it; it goes with the last picture that names it.

    Those that nothing was drawn from within a day go now.

    Returns:
        Its SHA-256, as recipes name it.
    """
    content = png_bytes(image)
    digest = hashlib.sha256(content).hexdigest()
    rebuild()  # a picture that the index has lost names its source too
    with writing() as db:
        write_bytes(_source_file(digest), content)
        _sweep(db)
    return digest


def source_of(recipe: Recipe) -> Image.Image | None:
    """The picture that this one was made from; None if it was made from words alone.

    Raises:
        BadInput: it is not in the gallery (any more).
    """
    return _kept(recipe.source, "The picture that this one was made from is not kept here any more: choose it again.")


def mask_of(recipe: Recipe) -> Image.Image | None:
    """The mask that this picture was made with; None if there was none.

    Raises:
        BadInput: it is not in the gallery (any more).
    """
    return _kept(recipe.mask, "The mask of this picture is not kept here any more: paint it again.")


def rebuild() -> int:
    """Take those pictures into the index that lie in the folder and are not in it.

    Returns:
        How many. A file without a recipe is left alone.
    """
    taken = 0
    with session() as db:
        known = set(db.scalars(select(PictureRow.id)))
    for file in sorted(_folder().glob("*.png")):
        if not _ID.fullmatch(file.stem) or file.stem in known:
            continue
        try:
            picture = _from_files(file)
        except (BadInput, OSError):
            continue
        with writing() as db:
            if not db.get(PictureRow, picture.id):
                db.add(_row(picture))
                taken += 1
    return taken


def _indexed() -> Session:
    """A session on an index that is not empty while there are pictures: the database may be new."""
    with session() as db:
        empty = db.scalar(select(PictureRow.id).limit(1)) is None
    if empty:
        rebuild()
    return session()


def _where(query: Select[Any], words: str, person: str | None, mode: str | None, favourites: bool) -> Select[Any]:
    for word in words[:200].lower().split():
        query = query.where(PictureRow.words.contains(word, autoescape=True))
    if person is not None:
        query = query.where(PictureRow.person == person)
    if mode is not None:
        query = query.where(PictureRow.mode == mode)
    return query.where(PictureRow.favourite) if favourites else query


def _sweep(db: Session) -> None:
    for file in _folder("sources").glob("*.png"):
        if time.time() - file.stat().st_mtime > _UNUSED and not _is_used(db, file.stem):
            file.unlink()


def _is_used(db: Session, digest: str) -> bool:
    """Whether a picture names this source or mask."""
    used = or_(PictureRow.source == digest, PictureRow.mask == digest)
    return db.scalar(select(PictureRow.id).where(used).limit(1)) is not None


def _found(db: Session, picture_id: str) -> PictureRow:
    row = db.get(PictureRow, picture_id) if _ID.fullmatch(picture_id) else None
    if row is None:
        raise BadInput("There is no such picture in the gallery: it may have been deleted.")
    return row


def _picture(row: PictureRow) -> Picture:
    # a row that another version of the studio wrote must not hide the others
    return Picture(row.id, _file(row.id), lenient(row.recipe), row.created, row.person, row.favourite)


def _row(picture: Picture) -> PictureRow:
    recipe = picture.recipe
    return PictureRow(
        id=picture.id,
        created=picture.created,
        person=picture.person,
        favourite=picture.favourite,
        mode=recipe.mode,
        recipe=recipe.model_dump(mode="json"),
        words="\n".join(_searched(recipe)).lower(),
        source=recipe.source,
        mask=recipe.mask,
    )


def _searched(recipe: Recipe) -> Iterator[str]:
    yield from (recipe.prompt, recipe.negative_prompt, recipe.idea or "", recipe.model)
    yield from (lora.name for lora in recipe.loras)


def _from_files(file: Path) -> Picture:
    note = read_json(_note_file(file.stem)) if _note_file(file.stem).exists() else {}
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    try:
        created = datetime.fromisoformat(note["created"])
        person, favourite = str(note["person"]), note.get("favourite") is True
    except (KeyError, TypeError, ValueError):
        created, person, favourite = written, _NOBODY, False
    return Picture(file.stem, file, read_recipe(file), created, person, favourite)


def _write_note(picture: Picture) -> None:
    note = {"person": picture.person, "created": picture.created.isoformat(), "favourite": picture.favourite}
    write_json(_note_file(picture.id), note)


def _kept(digest: str | None, sentence: str) -> Image.Image | None:
    return None if digest is None else _opened(_source_file(digest), sentence)


def _opened(file: Path, sentence: str) -> Image.Image:
    try:
        with Image.open(file, formats=["PNG"]) as image:
            image.load()
            return Image.frombytes(image.mode, image.size, image.tobytes())
    except (OSError, SyntaxError, ValueError):
        raise BadInput(sentence) from None


def _folder(inner: str = "") -> Path:
    folder = settings().var / "pictures" / inner
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _file(picture_id: str) -> Path:
    return _folder() / f"{picture_id}.png"


def _note_file(picture_id: str) -> Path:
    return _folder() / f"{picture_id}.json"


def _thumbnail_file(picture_id: str) -> Path:
    return _folder("thumbnails") / f"{picture_id}.webp"


def _source_file(digest: str) -> Path:
    return _folder("sources") / f"{digest}.png"
