"""Draws: a recipe goes in, pictures come out, each with the recipe that draws it again.

Everything random comes from one CPU generator a picture, so a seed means the same on every device, alone or among others. The adapters that are live in the pipeline take part; `engine.diffusion.host` sets them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.diffusion.pipelines import in_mode
from engine.diffusion.previews import Previewer
from engine.diffusion.recipe import Recipe
from engine.diffusion.schedulers import make_scheduler
from engine.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS_AT_ONCE = 1 << 20
"""Pictures are drawn together as long as they have no more pixels than this: four of 512 × 512, one of 1024 × 1024."""
MOST = 64
"""Most pictures of one request."""
_LARGE = 1 << 20
"""Pixels from which a picture is decoded in tiles."""
STRENGTH = 0.75
"""Of img2img and inpainting, if a recipe leaves it open."""


@dataclass
class DrawRequest:
    """What to draw: picture i has the seed of the recipe plus i."""

    recipe: Recipe
    count: int = 1
    source: "Image | None" = None
    """For img2img and inpainting; cut and resized to the recipe's size."""
    mask: "Image | None" = None
    """For inpainting; white is drawn anew, black stays as it is to the bit, grey is mixed."""
    merge: str | None = None
    """Draw with the recipe's adapters merged into one by this method, in memory, instead of live together."""


@dataclass
class Drawing:
    """A picture and what draws it again."""

    image: "Image"
    recipe: Recipe


@dataclass(frozen=True)
class Progress:
    """How far a request is."""

    step: int
    """Of all its steps, those of earlier batches included."""
    steps: int
    previews: "list[Image]"
    """What the pictures of the current batch look like by now; empty where nobody asked for previews."""


class _Cancelled(Exception):
    """Leaves the pipeline's loop."""


def draw(
    pipe: Any,
    request: DrawRequest,
    on_step: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Drawing]:
    """Draw the pictures of a request.

    Args:
        pipe: a Stable Diffusion pipeline of diffusers; it is left as it is.
        request: what to draw.
        on_step: called after every step.
        cancelled: asked after every step; once it says yes, nothing more is drawn.

    Returns:
        The pictures; if cancelled, those that were finished.

    Raises:
        BadInput: the request contradicts itself.
    """
    check(request)
    recipe = request.recipe
    source, mask = _fitted(request)
    at_once = pictures_at_once(pipe, recipe)
    batches = [range(start, min(start + at_once, request.count)) for start in range(0, request.count, at_once)]
    worker = in_mode(pipe, recipe.mode)
    previewer = Previewer(worker) if on_step else None
    drawn: list[Drawing] = []
    for number, batch in enumerate(batches):
        recipes = [recipe.model_copy(update={"seed": (recipe.seed + i) % 2**63}) for i in batch]

        def after_step(
            _pipe: Any, step: int, _time: Any, tensors: dict[str, Any], number: int = number
        ) -> dict[str, Any]:
            if on_step and previewer:
                total = worker.num_timesteps
                shown = previewer(tensors["latents"], recipe.width, recipe.height)
                on_step(Progress(number * total + step + 1, len(batches) * total, shown))
            if cancelled and cancelled():
                raise _Cancelled
            return {}

        if cancelled and cancelled():
            break
        try:
            images = _run(worker, recipes, source, mask, after_step)
        except _Cancelled:
            break
        finally:
            worker.maybe_free_model_hooks()
        drawn += [Drawing(_pasted(image, source, mask), own) for image, own in zip(images, recipes, strict=True)]
    return drawn


def pictures_at_once(pipe: Any, recipe: Recipe) -> int:
    """How many pictures are drawn together. On a CPU one: that is as fast, and a picture is then the same to the bit in any company."""
    if pipe._execution_device.type == "cpu":
        return 1
    return max(1, PIXELS_AT_ONCE // (recipe.width * recipe.height))


def check(request: DrawRequest) -> None:
    """Refuse what cannot be drawn.

    Raises:
        BadInput: a picture or mask is missing, or no step would be taken.
    """
    recipe = request.recipe
    if not 1 <= request.count <= MOST:
        raise BadInput("{count} pictures cannot be drawn at once: choose 1 to {most}.", count=request.count, most=MOST)
    if recipe.mode != "txt2img" and request.source is None:
        raise BadInput("There is no picture to start from: choose one.")
    if recipe.mode == "inpaint":
        if request.mask is None:
            raise BadInput("There is no mask: paint over what is to be drawn anew.")
        if request.mask.convert("L").getextrema()[1] == 0:
            raise BadInput("The mask is empty: paint over what is to be drawn anew.")
    if recipe.mode != "txt2img" and int(recipe.steps * (recipe.strength or STRENGTH)) < 1:
        raise BadInput(
            "{steps} steps at strength {strength} are less than one step: raise either.",
            steps=recipe.steps,
            strength=recipe.strength,
        )


def _run(
    worker: Any, recipes: list[Recipe], source: "Image | None", mask: "Image | None", after_step: Callable[..., Any]
) -> "list[Image]":
    import torch

    recipe = recipes[0]
    worker.scheduler = make_scheduler(recipe.scheduler, worker.scheduler.config, recipe.steps)
    arguments: dict[str, Any] = {
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative_prompt or None,
        "num_inference_steps": recipe.steps,
        "guidance_scale": recipe.guidance_scale,
        "num_images_per_prompt": len(recipes),
        "generator": [torch.Generator().manual_seed(one.seed) for one in recipes],
        "callback_on_step_end": after_step,
    }
    if recipe.mode != "img2img":
        arguments |= {"width": recipe.width, "height": recipe.height}
    if recipe.mode != "txt2img":
        # one picture for each generator, or all would share the first one's draw from the autoencoder
        arguments |= {"image": [source] * len(recipes), "strength": recipe.strength or STRENGTH}
    if mask is not None:
        arguments["mask_image"] = _whole_cells(mask, worker.vae_scale_factor)
    with _plain_inpainting(worker), _tiled(worker, recipe.width * recipe.height):
        return worker(**arguments).images


def _fitted(request: DrawRequest) -> "tuple[Image | None, Image | None]":
    """Source and mask at the size of the picture; what sticks out on two sides is cut off both alike."""
    from PIL import Image, ImageOps

    recipe = request.recipe
    if recipe.mode == "txt2img" or request.source is None:
        return None, None
    size = (recipe.width, recipe.height)
    source = ImageOps.fit(request.source.convert("RGB"), size, Image.Resampling.LANCZOS)
    if recipe.mode == "img2img" or request.mask is None:
        return source, None
    mask = request.mask.convert("L")
    if mask.size != request.source.size:
        mask = mask.resize(request.source.size, Image.Resampling.BILINEAR)
    return source, ImageOps.fit(mask, size, Image.Resampling.BILINEAR)


def _whole_cells(mask: "Image", cell: int) -> "Image":
    """The mask grown to whole latents: diffusers looks at one pixel of each, and would miss a thin stroke."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(mask)
    rows, columns = pixels.shape[0] // cell, pixels.shape[1] // cell
    touched = pixels.reshape(rows, cell, columns, cell).max((1, 3)) > 0
    return Image.fromarray((touched * 255).astype("uint8")).resize(mask.size, Image.Resampling.NEAREST)


def _pasted(image: "Image", source: "Image | None", mask: "Image | None") -> "Image":
    """The drawn picture where the mask is white, the source's own pixels where it is black."""
    from PIL import Image

    return image if source is None or mask is None else Image.composite(image, source, mask)


@contextmanager
def _plain_inpainting(worker: Any) -> Iterator[None]:
    """diffusers asks for 4 input channels where it means a UNet made for plain drawing; other latents have other numbers."""
    unet, channels = worker.unet, worker.unet.config.in_channels
    plain = channels == worker.vae.config.latent_channels and "Inpaint" in type(worker).__name__
    if plain:
        unet.register_to_config(in_channels=4)
    try:
        yield
    finally:
        if plain:
            unet.register_to_config(in_channels=channels)


@contextmanager
def _tiled(worker: Any, pixels: int) -> Iterator[None]:
    """A large picture's latents are decoded piece by piece, which takes a fraction of the memory."""
    vae = worker.vae
    wanted = pixels > _LARGE and not getattr(vae, "use_tiling", True)
    if wanted:
        vae.enable_tiling()
    try:
        yield
    finally:
        if wanted:
            vae.disable_tiling()
