"""Pictures as a training meets them: encoded once, then drawn batch by batch with noise, by seed and step alone.

So a resumed run meets the same batches, and the batch of one step is the same whether one process sees it or several.
"""

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.diffusion.uploads import crop_box, fit, open_picture
from engine.training.dreambooth_pictures import Picture, Size, bucket_of, buckets, prompt_of
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.trainer.picture_model import Words, encode, text_encoders, tokenize


@dataclass
class Batch:
    """One pass: pictures of the subject, and after them as many of its class if there is prior preservation."""

    clean: Tensor
    noise: Tensor
    time: Tensor
    words: Words
    sizes: Tensor
    weight: Tensor
    """How much each place of each picture counts; 1 on average."""
    subjects: int
    """Rows that are pictures of the subject."""


@dataclass
class _Encoded:
    """Pictures of one size: where they lie among the latents, a row each; the second half is mirrored if there is one."""

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    sizes: Tensor
    prompts: Tensor
    """Number of each picture's prompt."""

    @property
    def pictures(self) -> int:
        return len(self.prompts)


class PictureData:
    """All that a training sees.

    Args:
        pipe: encodes; without an adapter in it yet.
        spec: how.
        pictures: of the subject.
        class_pictures: of its class; none without prior preservation.
        divisor: what sides of buckets are multiples of.
    """

    def __init__(
        self, pipe: Any, spec: DreamboothSpec, pictures: Sequence[Picture], class_pictures: Sequence[Path], divisor: int
    ):
        assert spec.resolution
        self._spec = spec
        self._device = pipe.device
        self._times = pipe.scheduler.config.num_train_timesteps
        prompts = [prompt_of(each.caption, spec.instance_prompt, spec.trigger_words or "") for each in pictures]
        numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys([*prompts, spec.class_prompt or ""]))}
        self._words = _encoded_words(pipe, list(numbers), bool(spec.train_text_encoder))
        sizes = buckets(spec.resolution, divisor) if spec.buckets else [(spec.resolution, spec.resolution)]
        opened = [
            (each.open(), each.open_mask(), numbers[prompt]) for each, prompt in zip(pictures, prompts, strict=True)
        ]
        of_bucket: dict[Size, list[Any]] = {}
        for each in opened:
            of_bucket.setdefault(bucket_of(each[0].size, sizes), []).append(each)
        classes = [(open_picture(file, file.name), None, numbers[spec.class_prompt or ""]) for file in class_pictures]
        self.sizes = sorted(of_bucket)
        """The sizes in use."""
        with _in_float32(pipe.vae):
            self._subjects = [_encode(pipe, of_bucket[size], size, spec, spec.flip) for size in self.sizes]
            # a batch has one size, so the class is there in each of them
            self._classes = [_encode(pipe, classes, size, spec) for size in self.sizes] if classes else []

    def passes(self, step: int, rank: int = 0) -> Iterator[Batch]:
        """What one process sees in a step, 0 being the first: `grad_accum` passes."""
        spec, whole = self._spec, self._spec.global_batch
        bucket, past = self._bucket(step)
        generator = torch.Generator().manual_seed(_number(spec.seed, "noise", step))
        order = f"{spec.seed} {bucket}"
        parts = [
            _drawn(self._subjects[bucket], [past * whole + i for i in range(whole)], order, self._times, generator)
        ]
        if self._classes:
            places = [step * whole + i for i in range(whole)]
            parts.append(_drawn(self._classes[bucket], places, f"{spec.seed} class", self._times, generator))
        for number in range(spec.grad_accum):
            start = (number * spec.world_size + rank) * spec.batch_size
            rows = slice(start, start + spec.batch_size)
            yield self._batch(parts, rows)

    def _bucket(self, step: int) -> tuple[int, int]:
        """Which bucket a step takes its pictures from, and how many steps took from it before: each by its number of pictures."""
        counts = [each.pictures for each in self._subjects]
        order = [bucket for bucket, count in enumerate(counts) for _ in range(count)]
        round_, place = divmod(step, len(order))
        random.Random(f"{self._spec.seed} buckets {round_}").shuffle(order)
        bucket = order[place]
        return bucket, round_ * counts[bucket] + order[:place].count(bucket)

    def _batch(self, parts: list[dict[str, Tensor]], rows: slice) -> Batch:
        joined = {name: torch.cat([part[name][rows] for part in parts]).to(self._device) for name in parts[0]}
        return Batch(
            clean=joined["clean"],
            noise=joined["noise"] + self._spec.noise_offset * joined["shift"],
            time=joined["time"],
            words=self._words[joined["prompts"]],
            sizes=joined["sizes"],
            weight=joined["weight"],
            subjects=len(parts[0]["clean"][rows]),
        )


def nth(place: int, count: int, name: str) -> int:
    """The place-th of an endless row of numbers below `count`, in rounds each of which has all of them in a new order."""
    order = list(range(count))
    random.Random(f"{name} {place // count}").shuffle(order)
    return order[place % count]


def _drawn(
    encoded: _Encoded, places: list[int], name: str, times: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Rows of a whole step, with their noise; on the CPU, where a seed means the same whatever the device."""
    chosen = torch.tensor([nth(place, encoded.pictures, name) for place in places])
    mirrored = torch.randint(len(encoded.mean) // encoded.pictures, chosen.shape, generator=generator)
    rows = chosen + mirrored * encoded.pictures
    shape = (len(places), *encoded.mean.shape[1:])
    spread, noise = (torch.randn(shape, generator=generator) for _ in range(2))
    return {
        "clean": encoded.mean[rows] + encoded.deviation[rows] * spread,
        "noise": noise,
        "shift": torch.randn((*shape[:2], 1, 1), generator=generator),
        "time": torch.randint(times, chosen.shape, generator=generator),
        "weight": encoded.weight[rows],
        "sizes": encoded.sizes[chosen],
        "prompts": encoded.prompts[chosen],
    }


def _encode(pipe: Any, opened: list[Any], size: Size, spec: DreamboothSpec, flip: bool = False) -> _Encoded:
    """Pictures with masks and prompts' numbers, brought to one size and encoded."""
    pixels = torch.stack([_pixels(fit(picture, *size)) for picture, _, _ in opened])
    weight = torch.stack([_weight(mask, size, pipe.vae_scale_factor, spec.mask_rest) for _, mask, _ in opened])
    if flip:
        pixels, weight = (torch.cat([each, each.flip(-1)]) for each in (pixels, weight))
    means, deviations = zip(*(_latents(pipe, part) for part in pixels.split(4)), strict=True)
    return _Encoded(
        torch.cat(means),
        torch.cat(deviations),
        weight,
        torch.stack([_told(picture.size, size) for picture, _, _ in opened]),
        torch.tensor([prompt for _, _, prompt in opened]),
    )


@contextlib.contextmanager
def _in_float32(vae: torch.nn.Module) -> Iterator[None]:
    """SDXL's autoencoder overflows in float16, and what is encoded once should be encoded well."""
    dtype = next(vae.parameters()).dtype
    torch.nn.Module.to(vae, torch.float32)  # not diffusers' own, which warns
    try:
        yield
    finally:
        torch.nn.Module.to(vae, dtype)


@torch.no_grad()
def _latents(pipe: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents."""
    vae = pipe.vae
    encoded, scale = vae.encode(pixels.to(vae.device)), vae.config.scaling_factor
    if hasattr(encoded, "latent_dist"):
        return (encoded.latent_dist.mean * scale).cpu(), (encoded.latent_dist.std * scale).cpu()
    latents = (encoded.latents * scale).cpu()  # an AutoencoderTiny knows no spread
    return latents, torch.zeros_like(latents)


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def _weight(mask: Image.Image | None, size: Size, cell: int, rest: float) -> Tensor:
    """How much each latent counts: 1 inside of the mask, `rest` outside, made 1 on average."""
    width, height = size[0] // cell, size[1] // cell
    if mask is None:
        return torch.ones(1, height, width)
    small = mask.crop(crop_box(mask.size, *size)).resize((width, height), Image.Resampling.BOX)
    inside = torch.from_numpy(np.array(small)).float()[None] / 255
    weight = rest + (1 - rest) * inside
    return weight / weight.mean().clamp(min=1e-6)


def _told(whole: Size, size: Size) -> Tensor:
    """What SDXL is told of a picture: sizes before and after, and where it was cropped, each as height and width."""
    scale = max(size[0] / whole[0], size[1] / whole[1])
    left, top = (max(0, round((one * scale - other) / 2)) for one, other in zip(whole, size, strict=True))
    return torch.tensor([whole[1], whole[0], top, left, size[1], size[0]], dtype=torch.float32)


@torch.no_grad()
def _encoded_words(pipe: Any, prompts: list[str], trained: bool) -> Words:
    """Prompts as their tokens if the text encoder is to be trained, else encoded once and for all."""
    tokens = [each.to(pipe.device) for each in tokenize(pipe, prompts)]
    return Words(tokens=tokens) if trained else encode(list(text_encoders(pipe).values()), tokens)


def _number(seed: int, name: str, step: int) -> int:
    return random.Random(f"{seed} {name} {step}").getrandbits(63)
