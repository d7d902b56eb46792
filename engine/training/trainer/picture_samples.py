"""Pictures drawn while a picture model is trained: those of the class before it begins, and samples to see how it learns.

Each picture has a random generator of its own, so the training goes on as it would have without them.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from engine.diffusion.catalog import PictureSource, fingerprint
from engine.diffusion.drawing import DrawRequest, draw
from engine.diffusion.families import defaults
from engine.diffusion.recipe import Recipe
from engine.files import write_bytes, write_json
from engine.runs import Run
from engine.runs.picture_samples import write_pictures
from engine.settings import settings
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.trainer.picture_model import PictureModel, text_encoders
from engine.training.trainer.together import any_of, wait_for_all

TOGETHER = 4
"""Class pictures drawn at once, always the same ones, so that they are the same however many processes draw."""


def recipe(source: PictureSource, prompt: str, spec: DreamboothSpec, seed: int) -> Recipe:
    """How the base draws a prompt at the size that is trained."""
    usual = defaults(source)
    return Recipe(
        prompt=prompt,
        model=source.name,
        width=spec.resolution or usual.width,
        height=spec.resolution or usual.height,
        steps=usual.steps,
        guidance_scale=usual.guidance_scale,
        scheduler=usual.scheduler,
        seed=seed,
    )


def class_pictures(pipe: Any, source: PictureSource, spec: DreamboothSpec, run: Run, rank: int) -> list[Path] | None:
    """The base's own pictures of the class prompt, at seeds 0, 1, …; drawn once for all runs that ask for the same.

    Returns:
        Their files; None if somebody stopped the run meanwhile.
    """
    plan = recipe(source, spec.class_prompt or "", spec, seed=0).model_copy(
        update={"model_fingerprint": fingerprint(source)}
    )
    told = json.dumps(plan.model_dump(mode="json", exclude={"model"}), sort_keys=True)
    folder = settings().var / "class_pictures" / hashlib.sha256(told.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{seed:04d}.png" for seed in range(spec.class_pictures)]
    groups = [range(first, first + TOGETHER) for first in range(0, len(files), TOGETHER)]
    missing = [group for group in groups if not all(file.exists() for file in files[group.start : group.stop])]
    wait_for_all()  # before any of them is drawn, or others would count differently
    for start in range(0, len(missing), spec.world_size):
        if any_of(run.stop_requested(), pipe.device):
            return None
        for group in missing[start + rank : start + rank + 1]:
            drawn = draw(pipe, DrawRequest(plan.model_copy(update={"seed": group.start}), count=TOGETHER))
            for seed, drawing in zip(group, drawn, strict=True):
                write_bytes(folder / f"{seed:04d}.png", _png(drawing.image))
        if rank == 0:
            run.add_event(event="class_pictures", done=sum(file.exists() for file in files), all=len(files))
    if rank == 0 and missing:
        write_json(folder / "recipe.json", json.loads(told))
    wait_for_all()
    return files


class Samples:
    """Draws the sample prompts, always at the same seeds.

    Args:
        pipe: with the adapter in it.
        source: the base.
        model: what is trained.
        spec: prompts and seeds.
        run: where they go.
    """

    def __init__(self, pipe: Any, source: PictureSource, model: PictureModel, spec: DreamboothSpec, run: Run):
        self._pipe, self._source, self._model, self._spec, self._run = pipe, source, model, spec, run
        self._device = pipe.device
        self._park()

    def draw(self, step: int, first: bool) -> None:
        """The pictures after a step; the first process draws and the others wait."""
        if self._spec.samples and first:
            pictures = [picture for prompt in self._spec.sample_prompts for picture in self._drawn(prompt)]
            write_pictures(self._run, step, [(prompt, seed, _png(image)) for prompt, seed, image in pictures])
        wait_for_all()

    def _drawn(self, prompt: str) -> list[tuple[str, int, Image.Image]]:
        spec = self._spec
        self._pipe.to(self._device)
        self._model.eval()
        try:
            request = DrawRequest(recipe(self._source, prompt, spec, spec.sample_seed), count=spec.samples)
            return [(prompt, each.recipe.seed, each.image) for each in draw(self._pipe, request)]
        finally:
            self._model.train()
            self._park()

    def _park(self) -> None:
        """What the training itself does not use waits in the computer's memory."""
        if self._device.type == "cpu":
            return
        self._pipe.vae.to("cpu")
        if not self._spec.train_text_encoder:
            for encoder in text_encoders(self._pipe).values():
                encoder.to("cpu")
        torch.cuda.empty_cache()


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
