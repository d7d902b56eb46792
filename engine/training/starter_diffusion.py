"""The starter picture model, from nothing: emoji in, a StableDiffusionPipeline folder of 64 × 64 pictures out.

A maintainer's command, for whoever makes the weights that the project carries: `python -m engine.training.starter_diffusion
--out var/starter-diffusion [--minutes N]`. It reads top to bottom: autoencoder, text encoder, denoiser, folder. Killed or out of
time, the same command goes on where it was; it says what is left. On two CPU cores it takes some hours.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.diffusion.captions import Captions, plain
from engine.diffusion.emoji import STYLES, Emoji, load_emoji
from engine.errors import StudioError
from engine.settings import settings
from engine.training.starter_parts import (
    NOISE,
    Plan,
    as_tensor,
    assemble,
    autocast,
    distribution,
    encode,
    make_denoiser,
    make_text,
    make_tokenizer,
    make_vae,
    redraw,
    standardise,
)

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from torch import Tensor
    from torch.nn import ModuleDict
    from transformers import CLIPTextModel, CLIPTokenizer

    from engine.training.trainer.steps import Clock, M, Stage

SAMPLED = ("pizza", "cat face", "red apple", "rocket", "crying face", "house", "bicycle", "penguin")
"""What the sheets show, in every style."""
SNR_CAP = 5.0
DROPPED = 0.1
"""Share of captions left empty, so that guidance has something to compare with."""


def train_starter(emoji: Emoji, out: Path, plan: Plan, clock: "Clock") -> bool:
    """Go on with the training kept in `out`; write the pipeline to `out/pipeline`.

    Returns:
        Whether everything is done; False if the clock ended it.
    """
    import torch

    out.mkdir(parents=True, exist_ok=True)

    # pictures ↔ latents an eighth as wide
    vae = train_vae(emoji, stage("vae", make_vae(plan), out, plan, clock), plan)
    if vae is None:
        return False
    latents = encode(vae, emoji)

    # captions → embeddings: warmed up by guessing the picture's latents
    captions = Captions(emoji.nouns)
    tokenizer = make_tokenizer(emoji, captions, out / "tokenizer", plan)
    warm = train_text(
        emoji, captions, tokenizer, latents, stage("text", make_text(tokenizer, plan), out, plan, clock), plan
    )
    if warm is None:
        return False

    # noise → latents, by caption
    denoiser = stage("unet", make_denoiser(plan, warm), out, plan, clock)
    pipeline = train_unet(emoji, captions, tokenizer, latents, vae, denoiser, plan, out)
    pipeline.to(dtype=torch.float16).save_pretrained(out / "pipeline")
    return denoiser.is_finished


# --- pictures ↔ latents


def train_vae(emoji: Emoji, stage: "Stage[AutoencoderKL]", plan: Plan) -> "AutoencoderKL | None":
    """Learn to redraw the pictures: colours, edges at three scales, and latents not far from standard normal."""
    import torch

    for _ in stage:
        chosen = torch.randint(len(emoji), (plan.batch["vae"],), generator=stage.generator())
        pictures = as_tensor(emoji, chosen)
        with autocast():
            latent = distribution(stage.model, pictures)
            noise = torch.randn(latent.mean.shape, generator=stage.generator()).to(latent.mean)
            redrawn = redraw(stage.model, latent.mean + latent.std * noise)
        colours = (redrawn - pictures).abs().mean()
        loss = colours + edges(redrawn, pictures) + 1e-6 * latent.kl().float().mean()
        stage.learn(loss, l1=colours.item())
        if (stage.step + 1) % 500 == 0:
            redraw_sheet(stage.average, emoji, stage.folder / "samples" / f"vae-{stage.step + 1:05d}.png")
    return standardise(stage.average, emoji) if stage.is_finished else None


def edges(left: "Tensor", right: "Tensor") -> "Tensor":
    """How much the differences between neighbouring pixels differ, at full, half and quarter size."""
    import torch
    import torch.nn.functional as F

    difference, total = left - right, torch.zeros(())
    for _ in range(3):
        total = total + (difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()) / 2
        difference = F.avg_pool2d(difference, 2)
    return total


# --- captions → embeddings


def train_text(
    emoji: Emoji,
    captions: Captions,
    tokenizer: "CLIPTokenizer",
    latents: "Tensor",
    stage: "Stage[ModuleDict]",
    plan: Plan,
) -> "CLIPTextModel | None":
    """Learn which captions mean which picture: names, synonyms and both languages, at a hundredth of the denoiser's price."""
    import torch
    import torch.nn.functional as F

    for _ in stage:
        chosen = torch.randint(len(emoji), (plan.batch["text"],), generator=stage.generator())
        ids = tokens(emoji, captions, tokenizer, chosen, stage)
        with autocast():
            meaning = stage.model["text"](ids).last_hidden_state.mean(1)
            guess = stage.model["guess"](meaning).view(-1, *latents.shape[1:]).float()
        stage.learn(F.mse_loss(guess, latents[chosen]))
    return stage.average["text"] if stage.is_finished else None  # type: ignore[return-value]


def tokens(
    emoji: Emoji, captions: Captions, tokenizer: "CLIPTokenizer", chosen: "Tensor", stage: "Stage[Any]"
) -> "Tensor":
    """Token numbers of one caption each for these pictures; some captions are empty."""
    chance = stage.chance()
    texts = [
        captions.draw(emoji.noun[i], emoji.style[i], chance) if chance.random() > DROPPED else ""
        for i in chosen.tolist()
    ]
    return tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids


# --- noise → latents


def train_unet(
    emoji: Emoji,
    captions: Captions,
    tokenizer: "CLIPTokenizer",
    latents: "Tensor",
    vae: "AutoencoderKL",
    stage: "Stage[ModuleDict]",
    plan: Plan,
    out: Path,
) -> "StableDiffusionPipeline":
    """Learn to take noise away, and assemble what was learnt so far (the moving average) into a pipeline."""
    import torch
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    noising = DDPMScheduler(**NOISE)
    signal = noising.alphas_cumprod
    size = plan.batch["unet"]
    for _ in stage:
        generator = stage.generator()
        chosen = torch.randint(len(emoji), (size,), generator=generator)
        ids = tokens(emoji, captions, tokenizer, chosen, stage)
        clean = latents[chosen]
        noise = torch.randn(clean.shape, generator=generator)
        time = (
            (torch.randperm(size, generator=generator) + torch.rand(size, generator=generator)) * 1000 / size
        ).long()
        noisy = noising.add_noise(clean, noise, time)  # type: ignore[arg-type]
        velocity = noising.get_velocity(clean, noise, time)  # type: ignore[arg-type]
        with autocast():
            guess = stage.model["unet"](noisy, time, stage.model["text"](ids).last_hidden_state).sample.float()
        # min-SNR, with what a caption says about pure noise kept: there the pictures are decided
        one_more = signal[time] / (1 - signal[time]) + 1
        weight = one_more.clamp(max=SNR_CAP) / one_more
        error = (guess - velocity).square().mean((1, 2, 3))
        stage.learn((weight * error).mean(), mse=error.mean().item())
        if (stage.step + 1) % 500 == 0:
            sheet(assemble(vae, tokenizer, stage.average), out / "samples" / f"unet-{stage.step + 1:05d}.png")
    return assemble(vae, tokenizer, stage.average)


# --- pieces


def stage(name: str, model: "M", out: Path, plan: Plan, clock: "Clock") -> "Stage[M]":
    """The model's training, where its last snapshot left it."""
    import torch

    from engine.training.trainer.fast_convolution import speed_up
    from engine.training.trainer.steps import Stage

    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    made = Stage(name, model, out, clock, plan.steps[name], plan.learning_rate[name], plan.seed)
    speed_up(made.model)
    return made


def sheet(pipeline: "StableDiffusionPipeline", file: Path, nouns: tuple[str, ...] = SAMPLED) -> None:
    """Draw each noun in each style, seed 0, and save all as one picture: a row a style."""
    import torch

    from engine.diffusion.pictures import grid

    prompts = [plain(noun, style) for style in STYLES for noun in nouns]
    generators = [torch.Generator().manual_seed(0) for _ in prompts]
    drawn = pipeline(prompts, num_inference_steps=20, guidance_scale=3.0, height=64, width=64, generator=generators)
    grid(drawn.images, len(nouns), file)  # type: ignore[union-attr]


def redraw_sheet(vae: "AutoencoderKL", emoji: Emoji, file: Path) -> None:
    """Sixteen pictures, and below each what the autoencoder makes of it."""
    import torch
    from PIL import Image

    from engine.diffusion.pictures import grid

    chosen = torch.linspace(0, len(emoji) - 1, 16).long()
    with torch.no_grad():
        redrawn = redraw(vae, distribution(vae, as_tensor(emoji, chosen)).mean)
    pixels = ((redrawn.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    grid([Image.fromarray(array) for array in (*emoji.pixels[chosen.numpy()], *pixels)], 16, file)


def main() -> None:
    """The command line."""
    from engine.training.trainer.steps import Clock

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of snapshots, samples and the pipeline")
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command goes on")
    for name, steps in Plan().steps.items():
        parser.add_argument(f"--{name}-steps", type=int, default=steps)
    asked = parser.parse_args()
    plan = Plan(steps={name: getattr(asked, f"{name}_steps") for name in Plan().steps})
    try:
        emoji = load_emoji(settings().home / "var" / "emoji")
    except StudioError as error:
        raise SystemExit(str(error)) from error
    done = train_starter(emoji, asked.out, plan, Clock(asked.minutes))
    print("finished" if done else "not finished: the same command goes on")


if __name__ == "__main__":
    main()
