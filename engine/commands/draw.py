"""`draw`: pictures from words, from a picture, or into a masked part of one; `grid`: many that differ in one or two settings."""

import argparse
import secrets
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands import draw_idea
from engine.commands.output import add_command, say

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.diffusion.drawing import DrawRequest
    from engine.diffusion.grids import Axis
    from engine.diffusion.recipe import LoraWeight, Recipe


def add(commands) -> None:
    """Add the parsers."""
    parser = add_command(commands, "draw", draw, "draw pictures with a picture model")
    _add_flags(parser)
    draw_idea.add_flags(parser)
    parser.add_argument("--count", type=int, metavar="N", default=1, help="so many pictures, each with the next seed")
    compared = add_command(commands, "grid", grid, "draw pictures that differ in one or two settings, on one sheet")
    _add_flags(compared)
    for axis, words in (("--x", "from left to right"), ("--y", "from top to bottom")):
        compared.add_argument(
            axis,
            required=axis == "--x",
            metavar="SETTING=V1|V2|…",
            help=f"what changes {words}: prompt, negative_prompt, seed, steps, guidance_scale, scheduler, strength, model, weight "
            "(of all adapters; weight:NAME of one), or combination (base, alone:NAME, live, merged:METHOD; without values all of them)",
        )


def _add_flags(parser: argparse.ArgumentParser) -> None:
    from engine.diffusion.schedulers import TITLES

    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="what to draw; may be left out with --again")
    parser.add_argument(
        "--out", required=True, metavar="FILE.png", type=Path, help="the file to make; of several, -2, -3 …"
    )
    given: dict[str, Any] = {"default": argparse.SUPPRESS}  # so that --again knows what was said
    parser.add_argument("--negative", metavar="TEXT", dest="negative_prompt", help="what not to draw", **given)
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the same seed draws the same picture (default: a new one)", **given
    )
    parser.add_argument("--steps", type=int, metavar="N", help="more are slower and, up to a point, cleaner", **given)
    parser.add_argument(
        "--guidance-scale",
        type=float,
        metavar="G",
        help="higher keeps closer to the words; 1 or less ignores --negative",
        **given,
    )
    parser.add_argument("--scheduler", choices=list(TITLES), help="how noise is taken away", **given)
    parser.add_argument(
        "--lora",
        action="append",
        metavar="NAME:WEIGHT",
        dest="loras",
        help="a picture adapter and its weight, negative too; for one part other weights, as red:0.7,text_encoder=0,up.1=0.3; "
        "may be given several times",
        **given,
    )
    parser.add_argument(
        "--size", metavar="WxH", help="in pixels, multiples of 8 (default: the model's own size)", **given
    )
    parser.add_argument(
        "--model", metavar="M", help="starter, a folder, a file or a hub id (default: STUDIO_PICTURE_MODEL)", **given
    )
    parser.add_argument("--image", metavar="FILE", type=Path, help="a picture to start from")
    parser.add_argument(
        "--strength", type=float, metavar="S", help="how much of --image may change, above 0 to 1", **given
    )
    parser.add_argument(
        "--mask", metavar="FILE", type=Path, help="white is drawn anew, black of --image stays as it is"
    )
    parser.add_argument(
        "--again", metavar="FILE.png", type=Path, help="draw with the recipe in a picture; other flags change it"
    )


def draw(arguments: argparse.Namespace) -> dict[str, Any]:
    """Draw and save."""
    from dataclasses import asdict

    from engine.commands.bars import bar
    from engine.diffusion.host import host
    from engine.diffusion.png import write_png
    from engine.files import refuse_file

    request = _request(arguments)
    files = _files(arguments.out, request.count)
    for file in files:
        refuse_file(file)
    written = draw_idea.write(arguments, request.recipe) if arguments.idea is not None else None
    if written:
        request.recipe = request.recipe.model_copy(update={"prompt": written.prompt, "idea": written.idea})
    stream = host().draw(request)
    try:
        with bar("draw", "step") as progress:
            for at in stream:
                progress(at.step, at.steps)
    except KeyboardInterrupt:
        stream.cancel()
        raise
    drawn = stream.result()
    for drawing, file in zip(drawn, files, strict=True):
        write_png(drawing.image, drawing.recipe, file)
        say(f"{file}: seed {drawing.recipe.seed}")
    documents = [
        {"file": str(file), "seed": drawing.recipe.seed, "recipe": drawing.recipe.model_dump(mode="json")}
        for drawing, file in zip(drawn, files, strict=True)
    ]
    document = documents[0] if len(documents) == 1 else {**documents[0], "pictures": documents}
    return {**document, "written": asdict(written)} if written else document


def grid(arguments: argparse.Namespace) -> dict[str, Any]:
    """Draw a sheet and save it."""
    from engine.commands.bars import bar
    from engine.diffusion.grids import Grid, draw_grid, write_grid
    from engine.diffusion.host import host
    from engine.files import refuse_file

    request = _request(arguments)
    (file,) = _files(arguments.out, 1)
    refuse_file(file)
    axes = [_axis(word, request) if word else None for word in (arguments.x, arguments.y)]
    assert axes[0] is not None
    asked = Grid(recipe=request.recipe, x=axes[0], y=axes[1])
    with bar("grid", "picture") as progress:
        drawn = draw_grid(asked, host(), request.source, request.mask, lambda done, total, _: progress(done, total))
    assert drawn is not None  # nobody cancels
    sheet, made = drawn
    write_grid(sheet, made, file)
    say(f"The grid is in {file}: seed {made.recipe.seed}")
    for place, reason in made.left_out.items():
        say(f"  left out at {place}: {reason}")
    return {"file": str(file), "grid": made.model_dump(mode="json")}


def _axis(word: str, request: "DrawRequest") -> "Axis":
    """`seed=1|2|3` as an axis."""
    from engine.diffusion.grids import Axis, combinations
    from engine.fields import parse

    setting, _, values = word.partition("=")
    setting, _, lora = setting.partition(":")
    given = [_number(value) for value in values.split("|")] if values else []
    if setting == "combination" and not given:
        given = combinations(request.recipe.loras)
    return parse(Axis, {"setting": setting, "values": given, "lora": lora or None})


def _number(value: str) -> str | float | int:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _request(arguments: argparse.Namespace) -> "DrawRequest":
    from engine.diffusion import gallery
    from engine.diffusion.drawing import DrawRequest
    from engine.diffusion.png import read_recipe
    from engine.diffusion.recipe import Recipe
    from engine.errors import BadInput
    from engine.fields import parse

    idea = getattr(arguments, "idea", None)
    if idea is not None and arguments.prompt is not None:
        raise BadInput("Give a prompt or an idea, not both.")
    if arguments.prompt is None and idea is None and not arguments.again:
        raise BadInput("Say what to draw, or name a picture to draw --again.")
    if arguments.prompt is not None and not arguments.prompt.strip():
        raise BadInput("The prompt is empty: write what the picture shall show.")
    said = _said(arguments)
    begun = read_recipe(arguments.again) if arguments.again else _usual(said.get("model"))
    if said.get("prompt", begun.prompt) != begun.prompt:
        begun = begun.model_copy(update={"idea": None})  # it is another one's
    source, mask = _pictures(arguments, begun)
    _refuse_another(arguments.image, source, begun.source)
    _refuse_another(arguments.mask, mask, begun.mask)
    recipe = parse(Recipe, {**begun.model_dump(), **said, **_named(source, mask)})
    if recipe.mode == "txt2img" and "strength" in said:
        raise BadInput("--strength says how much of a picture may change: give --image too.")
    if arguments.again and source is None and recipe.mode != "txt2img":
        source, mask = gallery.source_of(recipe), gallery.mask_of(recipe)
    return DrawRequest(recipe, getattr(arguments, "count", 1), source, mask)


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the flags say of the recipe."""
    from engine.diffusion.recipe import Recipe

    said = {name: value for name, value in vars(arguments).items() if name in Recipe.model_fields and value is not None}
    if "size" in arguments:
        said["width"], said["height"] = _size(arguments.size)
    if "loras" in said:
        said["loras"] = [lora_weight(word) for word in said["loras"]]
    return {name: value for name, value in said.items() if name != "mask"}


def _usual(model: str | None) -> "Recipe":
    """What a recipe begins with for a model, with a seed of its own."""
    from engine.diffusion.catalog import resolve
    from engine.diffusion.families import defaults
    from engine.diffusion.recipe import Recipe
    from engine.fields import parse

    source = resolve(model)
    return parse(Recipe, {**vars(defaults(source)), "model": source.name, "seed": secrets.randbelow(2**32)})


def _pictures(arguments: argparse.Namespace, begun: "Recipe") -> "tuple[Image | None, Image | None]":
    """The source and the mask that are given."""
    from engine.diffusion.uploads import open_picture
    from engine.errors import BadInput

    if arguments.mask and not arguments.image:
        raise BadInput("A mask belongs to a picture: give --image too.")
    if begun.mode == "inpaint" and arguments.image and not arguments.mask:
        raise BadInput("This picture was repainted in a part: give --mask too.")
    source = open_picture(arguments.image, arguments.image.name) if arguments.image else None
    mask = open_picture(arguments.mask, arguments.mask.name, background="black") if arguments.mask else None
    return source, mask


def _refuse_another(file: Path | None, picture: "Image | None", wanted: str | None) -> None:
    """Refuse a source or mask that is not the one a recipe names; masks of the page are grey, and their files plain."""
    from engine.errors import BadInput

    if file is None or picture is None or wanted is None:
        return
    if wanted not in {_digest(picture), _digest(picture.convert("L")), sha256(file.read_bytes()).hexdigest()}:
        raise BadInput(
            "“{file}” is not the picture that the recipe names: give that one, or draw without --again.", file=file.name
        )


def _named(source: "Image | None", mask: "Image | None") -> dict[str, Any]:
    """What a recipe says of its source and mask."""
    if source is None:
        return {}
    return {
        "mode": "inpaint" if mask else "img2img",
        "source": _digest(source),
        "mask": _digest(mask) if mask else None,
    }


def _digest(picture: "Image") -> str:
    from engine.diffusion.png import png_bytes

    return sha256(png_bytes(picture)).hexdigest()


def lora_weight(word: str) -> "LoraWeight":
    """`red:0.7,up.1=0.2` as an adapter with its weights; without a number its default weight."""
    from engine.adapters.store import read_adapter
    from engine.diffusion.recipe import LoraWeight
    from engine.errors import BadInput
    from engine.fields import parse

    first, *parts = word.split(",")
    name, _, weight = first.partition(":")
    try:
        blocks = {block: float(value) for block, _, value in (part.partition("=") for part in parts)}
        number = float(weight) if weight else read_adapter(name, kind="image").card.default_weight
    except ValueError as error:
        raise BadInput(
            "“{word}” is no adapter with a weight: write NAME:WEIGHT, such as red:0.7, or with other weights for parts, such as "
            "red:0.7,up.1=0.2.",
            word=word[:200],
        ) from error
    return parse(LoraWeight, {"name": name, "weight": number, "blocks": blocks})


def _size(word: str) -> tuple[int, int]:
    from engine.errors import BadInput

    try:
        width, height = (int(side) for side in word.lower().split("x"))
    except ValueError as error:
        raise BadInput("“{word}” is no size: write WIDTHxHEIGHT in pixels, such as 512x768.", word=word[:40]) from error
    if any(side % 8 or not 8 <= side <= 4096 for side in (width, height)):
        raise BadInput("“{word}” cannot be drawn: sizes are multiples of 8 from 8 to 4096.", word=word[:40])
    return width, height


def _files(out: Path, count: int) -> list[Path]:
    from engine.errors import BadInput

    if out.suffix.lower() != ".png":
        raise BadInput(
            "Pictures are written as PNG, with their recipe inside: name the file so, as {name}.png.", name=out.stem
        )
    return [out, *(out.with_stem(f"{out.stem}-{number}") for number in range(2, count + 1))]
