"""Many pictures beside each other that differ in one or two settings: one PNG with labels, which says how it was made.

Merged adapters are among the settings: they are merged in memory and drawn with, so nothing is left in lora_store/.
"""

import json
import textwrap
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.adapters.merging.methods import METHODS
from engine.diffusion.drawing import Drawing, DrawRequest, Progress
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from engine.fields import parse

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.diffusion.host import PictureHost

KEY = "studio.grid"
"""Under which name the grid's recipe stands in the PNG."""
MOST_CELLS = 256
Setting = Literal[
    "combination",
    "weight",
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "guidance_scale",
    "scheduler",
    "strength",
    "model",
]
"""What an axis can be about."""
BASE, ALONE, LIVE, MERGED = "base", "alone:", "live", "merged:"
"""Values of `combination`: no adapter, one by its name, all together, or all merged by a method."""
_SIDE = 128
"""Small pictures are shown at least as wide as this."""
_MARGIN = 8
_TEXT = 13
_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "DejaVuSans.ttf",
)
"""Looked for on this machine, those with Chinese first."""


class Axis(BaseModel):
    """One setting and the values it takes."""

    model_config = ConfigDict(extra="forbid")

    setting: Setting
    values: list[str | int | float] = Field(min_length=1, max_length=64)
    lora: str | None = None
    """Of `weight`: whose; by default that of every adapter."""


class LeftOut(BaseModel):
    """Why a cell could not be drawn."""

    sentence: str
    values: dict[str, str] = {}
    """What fills the sentence's gaps."""

    def __str__(self) -> str:
        return self.sentence.format(**self.values) if self.values else self.sentence


class Grid(BaseModel):
    """What a grid shows: everything but the axes' settings is the recipe's."""

    model_config = ConfigDict(extra="forbid")

    recipe: Recipe
    x: Axis
    y: Axis | None = None
    left_out: dict[str, LeftOut] = {}
    """Cells that could not be drawn, as "row,column" → why."""


def combinations(loras: list[LoraWeight], merged: bool = True) -> list[str]:
    """All values of `combination` that make sense: base, each adapter alone, all live, each merge method."""
    alone = [f"{ALONE}{lora.name}" for lora in loras]
    together = [LIVE, *(f"{MERGED}{method}" for method in METHODS if merged)] if len(loras) > 1 else []
    return [BASE, *alone, *together]


def cells(grid: Grid) -> list[list[DrawRequest]]:
    """What is drawn, row by row.

    Raises:
        BadInput: a value does not fit its setting, or there are too many cells.
    """
    rows = grid.y.values if grid.y else [None]
    if len(rows) * len(grid.x.values) > MOST_CELLS:
        raise BadInput("A grid has at most {most} pictures: leave some values out.", most=MOST_CELLS)
    return [[_cell(grid, column, row) for column in grid.x.values] for row in rows]


def draw_grid(
    grid: Grid,
    host: "PictureHost",
    source: "Image | None" = None,
    mask: "Image | None" = None,
    on_step: Callable[[int, int, Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> "tuple[Image, Grid] | None":
    """Draw a grid.

    Args:
        grid: what it shows.
        host: who draws; other people's pictures come in between.
        source: for img2img and inpainting.
        mask: for inpainting.
        on_step: called with the cells done, the cells there are, and how far the current one is.
        cancelled: asked after every step.

    Returns:
        The sheet and the grid with complete recipes and the cells that could not be drawn; None if it was cancelled.

    Raises:
        BadInput: the grid contradicts itself, or no cell at all can be drawn.
    """
    asked = cells(grid)
    total, done = sum(map(len, asked)), 0
    drawn: list[list[Drawing | None]] = []
    left_out: dict[str, LeftOut] = {}
    problem: BadInput | None = None
    for row, requests in enumerate(asked):
        drawn.append([])
        for column, request in enumerate(requests):
            request.source, request.mask = source, mask
            try:
                drawing = _draw(
                    request, host, lambda at, done=done: on_step(done, total, at) if on_step else None, cancelled
                )
            except BadInput as error:  # such as ranks that a method cannot merge
                problem, drawing = error, None
                values = {name: str(value) for name, value in error.values.items()}
                left_out[f"{row},{column}"] = LeftOut(sentence=error.sentence, values=values)
            if cancelled and cancelled():
                return None
            drawn[-1].append(drawing)
            done += 1
    first = next((drawing for row in drawn for drawing in row if drawing), None)
    if first is None:
        assert problem is not None
        raise problem
    complete = _complete(grid.recipe, drawn)
    made = grid.model_copy(update={"recipe": complete, "left_out": left_out})
    return sheet(made, [[drawing.image if drawing else None for drawing in row] for row in drawn]), made


def _draw(
    request: DrawRequest,
    host: "PictureHost",
    on_step: Callable[[Progress], None],
    cancelled: Callable[[], bool] | None,
) -> Drawing | None:
    stream = host.draw(request)
    for progress in stream:
        on_step(progress)
        if cancelled and cancelled():
            stream.cancel()
    return next(iter(stream.result()), None)


def _complete(recipe: Recipe, drawn: list[list[Drawing | None]]) -> Recipe:
    """The grid's recipe with the fingerprints that its cells found out."""
    found = [drawing.recipe for row in drawn for drawing in row if drawing]
    marks = {lora.name: lora.fingerprint for one in found for lora in one.loras}
    loras = [lora.model_copy(update={"fingerprint": marks.get(lora.name, lora.fingerprint)}) for lora in recipe.loras]
    models = {one.model: one.model_fingerprint for one in found}
    mark = models.get(recipe.model, recipe.model_fingerprint)
    return recipe.model_copy(update={"loras": loras, "model_fingerprint": mark})


def _cell(grid: Grid, column: Any, row: Any) -> DrawRequest:
    request = DrawRequest(grid.recipe)
    for axis, value in ((grid.x, column), (grid.y, row)):
        # combinations last: they choose among adapters whose weights the other axis may set
        if axis and axis.setting != "combination":
            request.recipe = _with(request.recipe, axis, value)
    for axis, value in ((grid.x, column), (grid.y, row)):
        if axis and axis.setting == "combination":
            _combine(request, str(value))
    return request


def _with(recipe: Recipe, axis: Axis, value: Any) -> Recipe:
    if axis.setting != "weight":
        if axis.setting in ("prompt", "negative_prompt", "model", "scheduler"):
            value = str(value)
        return parse(Recipe, {**recipe.model_dump(), axis.setting: value})
    known = [lora.name for lora in recipe.loras]
    if not known or (axis.lora is not None and axis.lora not in known):
        raise BadInput("The weight of “{name}” cannot vary: it is not among the chosen adapters.", name=axis.lora or "")
    loras = [
        {**lora.model_dump(), "weight": value} if axis.lora in (None, lora.name) else lora.model_dump()
        for lora in recipe.loras
    ]
    return parse(Recipe, {**recipe.model_dump(), "loras": loras})


def _combine(request: DrawRequest, value: str) -> None:
    loras, recipe = request.recipe.loras, request.recipe
    if value == BASE:
        request.recipe = recipe.model_copy(update={"loras": []})
    elif value.startswith(ALONE) and value.removeprefix(ALONE) in [lora.name for lora in loras]:
        one = [lora for lora in loras if lora.name == value.removeprefix(ALONE)]
        request.recipe = recipe.model_copy(update={"loras": one})
    elif value.startswith(MERGED) and value.removeprefix(MERGED) in METHODS and loras:
        request.merge = value.removeprefix(MERGED)
    elif value != LIVE:
        raise BadInput(
            "“{value}” is no combination of the chosen adapters: use {ways}.",
            value=value[:100],
            ways=", ".join(combinations(loras)),
        )


def sheet(grid: Grid, pictures: "list[list[Image | None]]") -> "Image":
    """The pictures with a label for each row and column; a grey field where there is none."""
    from PIL import Image, ImageDraw

    width, height = next(picture.size for row in pictures for picture in row if picture)
    larger = max(1, -(-_SIDE // min(width, height)))  # whole pixels become whole squares
    width, height = width * larger, height * larger
    columns = [_wrapped(label, width) for label in labels(grid.x)]
    rows = [_wrapped(label, 2 * _SIDE) for label in labels(grid.y)] if grid.y else [""]
    font = _font("".join([*columns, *rows]))
    top = max(_size(text, font)[1] for text in columns) + 2 * _MARGIN
    left = max(_size(text, font)[0] for text in rows) + 2 * _MARGIN if grid.y else _MARGIN
    step_x, step_y = width + _MARGIN, max([height, *(_size(text, font)[1] for text in rows)]) + _MARGIN
    made = Image.new("RGB", (left + step_x * len(columns), top + step_y * len(rows)), "white")
    pen = ImageDraw.Draw(made)
    for number, text in enumerate(columns):
        pen.multiline_text((left + number * step_x, _MARGIN), text, fill="black", font=font)
    for number, text in enumerate(rows):
        pen.multiline_text((_MARGIN, top + number * step_y), text, fill="black", font=font)
    for row, line in enumerate(pictures):
        for column, picture in enumerate(line):
            shown = picture.resize((width, height), Image.Resampling.NEAREST) if picture else None
            place = (left + column * step_x, top + row * step_y)
            made.paste(shown or Image.new("RGB", (width, height), (200, 200, 200)), place)
    return made


def labels(axis: Axis | None) -> list[str]:
    """What stands beside the pictures."""
    if axis is None:
        return []
    name = {"guidance_scale": "guidance", "negative_prompt": "negative"}.get(axis.setting, axis.setting)
    if axis.setting in ("combination", "prompt", "scheduler", "model"):
        return [
            str(value).replace(":", " ", 1) if axis.setting == "combination" else str(value) for value in axis.values
        ]
    return [f"{axis.lora or name} {value}" for value in axis.values]


def write_grid(picture: "Image", grid: Grid, file: Path) -> None:
    """Write a grid's sheet as PNG with its recipe inside; the file appears whole."""
    from engine.files import write_bytes

    write_bytes(file, grid_bytes(picture, grid))


def grid_bytes(picture: "Image", grid: Grid) -> bytes:
    """A grid's sheet as the content of a PNG file, with its recipe inside."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(KEY, json.dumps(grid.model_dump(mode="json"), ensure_ascii=False))
    picture.save(content := BytesIO(), "PNG", pnginfo=info)
    return content.getvalue()


def read_grid(file: Path) -> Grid:
    """The recipe in a grid's PNG.

    Raises:
        BadInput: there is none.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=["PNG"]) as picture:
            picture.load()
            text = str(getattr(picture, "text", {}).get(KEY))
        return Grid.model_validate_json(text)
    except Exception as error:  # decoders raise all sorts of things
        raise BadInput("There is no grid's recipe in {file}.", file=file.name[:200]) from error


def _wrapped(label: str, width: int) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in label)
    return "\n".join(textwrap.wrap(plain, max(8, width // (_TEXT // 2 + 1)))[:6])


def _font(text: str) -> Any:
    from PIL import ImageFont

    for name in _FONTS if not text.isascii() else ():
        try:
            return ImageFont.truetype(name, _TEXT)
        except OSError:
            continue
    return ImageFont.load_default(_TEXT)


def _size(text: str, font: Any) -> tuple[int, int]:
    from PIL import Image, ImageDraw

    box = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    return int(box[2]) + 1, int(box[3]) + 1
