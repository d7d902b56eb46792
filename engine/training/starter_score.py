"""How well the starter picture model draws: a small classifier looks at fifty common nouns in three styles.

A maintainer's command: `python -m engine.training.starter_score --out var/starter-diffusion` trains the classifier (once; the same
command goes on) and scores the pipeline in that folder. The classifier learns from renderings that the starter never saw: an older
Noto, and the three styles turned, resized, recoloured and blurred. It knows all nouns, so a picture counts only if it looks more
like its noun than like any other.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.diffusion.captions import plain
from engine.diffusion.emoji import STYLES, Emoji, Package, Style, fetch, load_emoji, on_white, read_pictures
from engine.diffusion.nouns import COMMON
from engine.errors import StudioError
from engine.files import write_json
from engine.settings import settings
from engine.training.starter_parts import as_tensor, autocast

if TYPE_CHECKING:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from PIL.Image import Image
    from torch import Generator, Tensor, nn

    from engine.training.trainer.steps import Clock

ENOUGH = 40
OLDER = Package(
    "emoji-datasource-google",
    "4.1.0",
    "5835b53de3671546e3b2a13854539cd1c30a78ae0d1948d505e0c8967b9cc372",
    "Apache-2.0 (Noto Emoji of 2017)",
)
OLDER_STYLE = Style("older noto", "旧诺托", OLDER.name, "package/img/google/64/", ".png")


@dataclass(frozen=True)
class Score:
    """What the classifier recognised: by style, the nouns that it named rightly."""

    recognised: dict[str, list[str]]

    @property
    def in_all_styles(self) -> list[str]:
        """Nouns recognised in every style."""
        return [noun for noun in COMMON if all(noun in nouns for nouns in self.recognised.values())]

    @property
    def is_enough(self) -> bool:
        """Whether each style has its forty."""
        return all(len(nouns) >= ENOUGH for nouns in self.recognised.values())


def with_older(emoji: Emoji, archive: Path) -> Emoji:
    """The pictures and those of the older Noto beside them; their style's number is one more than the last."""
    import numpy as np

    numbers = {noun.code: number for number, noun in enumerate(emoji.nouns)}
    older = [
        (numbers[code], on_white(content))
        for code, content in read_pictures(archive, OLDER_STYLE, numbers.__contains__)
    ]
    return Emoji(
        emoji.nouns,
        np.concatenate([emoji.pixels, np.stack([pixels for _, pixels in older])]),
        [*emoji.noun, *(noun for noun, _ in older)],
        [*emoji.style, *(len(STYLES) for _ in older)],
    )


def make_classifier(nouns: int, width: int = 24) -> "nn.Module":
    """A small convolutional network: 64 × 64 pictures to one number a noun."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[nn.Module] = []
    before = 3
    for level in range(4):
        after = width * 2**level
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
        layers += [nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
        before = after
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(before * 16, nouns))


def train_classifier(
    emoji: Emoji, out: Path, clock: "Clock", steps: int = 6_000, batch: int = 64, width: int = 24
) -> "nn.Module":
    """Learn nouns from disturbed pictures, going on from the last snapshot; what was learnt so far, averaged."""
    import torch
    import torch.nn.functional as F

    from engine.training.trainer.fast_convolution import speed_up
    from engine.training.trainer.steps import Stage

    stage = Stage("classifier", make_classifier(len(emoji.nouns), width), out, clock, steps, 2e-3, seed=0)
    speed_up(stage.model)
    nouns = torch.tensor(emoji.noun)
    for step in stage:
        generator = stage.generator()
        chosen = torch.randint(len(emoji), (batch,), generator=generator)
        torch.manual_seed(step)  # dropout
        with autocast():
            guess = stage.model(disturb(as_tensor(emoji, chosen), generator)).float()
        right = (guess.argmax(1) == nouns[chosen]).float().mean().item()
        stage.learn(F.cross_entropy(guess, nouns[chosen], label_smoothing=0.1), right=right)
    return stage.average.eval()


def disturb(pictures: "Tensor", chance: "Generator") -> "Tensor":
    """Other renderings of pictures: turned, resized, moved, mirrored, in other colours, blurred, with noise."""
    import torch
    import torch.nn.functional as F

    count = len(pictures)

    def between(low: float, high: float) -> "Tensor":
        return torch.rand(count, generator=chance) * (high - low) + low

    def normal(*shape: int) -> "Tensor":
        return torch.randn(count, *shape, generator=chance)

    angle, scale = between(-0.3, 0.3), between(0.9, 1.3)
    mirror = torch.where(between(0, 1) < 0.3, -1.0, 1.0)
    across = torch.stack([angle.cos() * scale * mirror, -angle.sin() * scale, between(-0.15, 0.15)], 1)
    down = torch.stack([angle.sin() * scale * mirror, angle.cos() * scale, between(-0.15, 0.15)], 1)
    field = F.affine_grid(torch.stack([across, down], 1), list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures - 1, field, align_corners=False)  # outside is white, which is 0 here
    mixed = torch.einsum("nij,njhw->nihw", torch.eye(3) + 0.15 * normal(3, 3), moved) + 1 + 0.1 * normal(3, 1, 1)
    blurred = F.interpolate(F.avg_pool2d(mixed, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    share = between(0, 1)[:, None, None, None]
    return (mixed * share + blurred * (1 - share) + 0.08 * normal(3, 64, 64)).clamp(-1, 1)


def named(classifier: "nn.Module", pictures: "Tensor") -> list[int]:
    """The noun that each picture looks most like."""
    import torch

    with torch.no_grad():
        return classifier(pictures).argmax(1).tolist()


def on_originals(classifier: "nn.Module", emoji: Emoji) -> dict[str, float]:
    """Share of the real pictures of the common nouns that it names rightly, by style: how far it can be trusted."""
    import torch

    shares = {}
    common = {number for number, noun in enumerate(emoji.nouns) if noun.english in COMMON}
    for number, style in enumerate(STYLES):
        rows = [i for i in range(len(emoji)) if emoji.style[i] == number and emoji.noun[i] in common]
        guesses = named(classifier, as_tensor(emoji, torch.tensor(rows)))
        shares[style.name] = sum(guess == emoji.noun[i] for guess, i in zip(guesses, rows, strict=True)) / max(
            1, len(rows)
        )
    return shares


def draw_common(pipeline: "StableDiffusionPipeline", seed: int = 0) -> "dict[str, list[Image]]":
    """Each common noun once in each style, by style."""
    import torch

    drawn = {}
    for style in STYLES:
        prompts = [plain(noun, style) for noun in COMMON]
        generators = [torch.Generator().manual_seed(seed) for _ in prompts]
        asked = {"num_inference_steps": 25, "guidance_scale": 3.0, "height": 64, "width": 64, "generator": generators}
        drawn[style.name] = pipeline(prompts, **asked).images  # type: ignore[union-attr]
    return drawn


def score(classifier: "nn.Module", emoji: Emoji, drawn: "dict[str, list[Image]]") -> Score:
    """Which of the drawn common nouns the classifier names rightly."""
    import numpy as np
    import torch

    names = [noun.english for noun in emoji.nouns]
    recognised = {}
    for style, pictures in drawn.items():
        pixels = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
        shown = Emoji(emoji.nouns, pixels, [0] * len(pixels), [0] * len(pixels))
        guesses = named(classifier, as_tensor(shown, torch.arange(len(pixels))))
        recognised[style] = [noun for noun, guess in zip(COMMON, guesses, strict=False) if names[guess] == noun]
    return Score(recognised)


def main() -> None:
    """The command line."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    from engine.diffusion.pictures import grid
    from engine.training.trainer.steps import Clock

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder of starter_diffusion")
    parser.add_argument(
        "--minutes", type=float, help="stop the classifier's training after so long; the same command goes on"
    )
    parser.add_argument("--steps", type=int, default=6_000)
    asked = parser.parse_args()
    folder = settings().home / "var" / "emoji"
    try:
        emoji = load_emoji(folder)
        shown = with_older(emoji, fetch(OLDER, folder / "packages"))
    except StudioError as error:
        raise SystemExit(str(error)) from error
    classifier = train_classifier(shown, asked.out, Clock(asked.minutes), asked.steps)
    print("originals named rightly:", on_originals(classifier, emoji))
    if not (asked.out / "pipeline").exists():
        return
    pipeline = StableDiffusionPipeline.from_pretrained(asked.out / "pipeline", torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    drawn = draw_common(pipeline)
    result = score(classifier, emoji, drawn)
    for style, pictures in drawn.items():
        grid(pictures, 10, asked.out / "samples" / f"common-{style.replace(' ', '-')}.png")
    write_json(asked.out / "score.json", {"recognised": result.recognised, "in_all_styles": result.in_all_styles})
    print(
        {style: len(nouns) for style, nouns in result.recognised.items()},
        "enough" if result.is_enough else "not enough",
    )


if __name__ == "__main__":
    main()
