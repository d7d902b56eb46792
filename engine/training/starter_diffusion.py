"""The starter picture model, from nothing: emoji in, a StableDiffusionPipeline folder of 64 × 64 pictures out.

A maintainer's command, for whoever makes the weights that the project carries: `python -m engine.training.starter_diffusion
--out var/starter-diffusion [--minutes N]`. It reads top to bottom: autoencoder, text encoder, denoiser, folder. Killed or out of
time, the same command goes on where it was; it says what is left. On two CPU cores it takes some hours.
"""

import argparse
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.devices import cpu_has_bf16, has_cuda
from engine.diffusion.captions import Captions, plain
from engine.diffusion.emoji import STYLES, Emoji, load_emoji
from engine.errors import StudioError
from engine.settings import settings
from engine.training.picture_tokenizer import END, START, learn_tokenizer

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from torch import Tensor
    from torch.nn import ModuleDict
    from transformers import CLIPTextModel, CLIPTokenizer

    from engine.training.trainer.steps import Clock, M, Stage

SAMPLED = ("pizza", "cat face", "red apple", "rocket", "crying face", "house", "bicycle", "penguin")
"""What the sheets show, in every style."""
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "clip_sample": False,
}
SNR_CAP = 5.0
DROPPED = 0.1
"""Share of captions left empty, so that guidance has something to compare with."""


@dataclass(frozen=True)
class Plan:
    """Sizes and steps. The defaults make the starter; tests make a tiny one."""

    steps: dict[str, int] = field(default_factory=lambda: {"vae": 5_000, "text": 3_000, "unet": 20_000})
    learning_rate: dict[str, float] = field(default_factory=lambda: {"vae": 1e-3, "text": 1e-3, "unet": 6e-4})
    batch: dict[str, int] = field(default_factory=lambda: {"vae": 16, "text": 128, "unet": 64})
    vae: tuple[int, ...] = (32, 64, 96, 128)
    """Channels at 64, 32, 16 and 8 pixels."""
    latent: int = 8
    text: int = 192
    text_layers: int = 4
    vocabulary: int = 3500
    length: int = 32
    unet: tuple[int, ...] = (128, 208)
    """Channels at 8 and 4 latent pixels."""
    groups: int = 8
    seed: int = 0


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


def make_vae(plan: Plan) -> "AutoencoderKL":
    """An autoencoder of Stable Diffusion's kind, without attention: 64 × 64 pixels to 8 × 8 latents."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    _seed(plan)
    levels = len(plan.vae)
    return AutoencoderKL(
        block_out_channels=plan.vae,  # type: ignore[arg-type]
        down_block_types=("DownEncoderBlock2D",) * levels,  # type: ignore[arg-type]
        up_block_types=("UpDecoderBlock2D",) * levels,  # type: ignore[arg-type]
        latent_channels=plan.latent,
        layers_per_block=1,
        norm_num_groups=plan.groups,
        mid_block_add_attention=False,
        sample_size=64,
        scaling_factor=1.0,
    )


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


def distribution(vae: "AutoencoderKL", pictures: "Tensor") -> "DiagonalGaussianDistribution":
    """Where the pictures lie among the latents."""
    return vae.encode(pictures).latent_dist  # type: ignore[union-attr]


def redraw(vae: "AutoencoderKL", latents: "Tensor") -> "Tensor":
    """The pictures that latents stand for."""
    return vae.decode(latents).sample.float()  # type: ignore[union-attr,arg-type]


def edges(left: "Tensor", right: "Tensor") -> "Tensor":
    """How much the differences between neighbouring pixels differ, at full, half and quarter size."""
    import torch
    import torch.nn.functional as F

    difference, total = left - right, torch.zeros(())
    for _ in range(3):
        total = total + (difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()) / 2
        difference = F.avg_pool2d(difference, 2)
    return total


def standardise(vae: "AutoencoderKL", emoji: Emoji) -> "AutoencoderKL":
    """Give every latent channel mean 0 and deviation 1, by changing the two 1 × 1 convolutions around the latents.

    So the scaling factor is 1, and noise of deviation 1 hides all channels alike.
    """
    import torch

    latents = encode(vae, emoji)
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, back = vae.quant_conv, vae.post_quant_conv
    assert into is not None and back is not None
    channels = len(mean)
    with torch.no_grad():
        assert into.bias is not None and back.bias is not None
        into.bias[:channels] = (into.bias[:channels] - mean) / deviation
        into.weight[:channels] /= deviation[:, None, None, None]
        into.bias[channels:] -= 2 * deviation.log()
        back.bias += (back.weight[:, :, 0, 0] * mean).sum(1)
        back.weight *= deviation[None, :, None, None]
    return vae


def encode(vae: "AutoencoderKL", emoji: Emoji) -> "Tensor":
    """Latents of all pictures."""
    import torch

    with torch.no_grad(), autocast():
        parts = torch.arange(len(emoji)).split(128)
        return torch.cat([distribution(vae, as_tensor(emoji, part)).mean.float() for part in parts])


# --- captions → embeddings


def make_tokenizer(emoji: Emoji, captions: Captions, folder: Path, plan: Plan) -> "CLIPTokenizer":
    """The tokenizer in the folder, learnt from captions on the first call."""
    import random

    from transformers import CLIPTokenizer

    if not folder.exists():
        chance = random.Random(plan.seed)
        rows = zip(emoji.noun, emoji.style, strict=True)
        corpus = [captions.draw(noun, style, chance) for noun, style in rows for _ in range(10)]
        learn_tokenizer(corpus, plan.vocabulary, plan.length).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def make_text(tokenizer: "CLIPTokenizer", plan: Plan) -> "ModuleDict":
    """A CLIP text encoder, and beside it a layer that guesses latents: it is dropped after the warm-up."""
    from torch import nn
    from transformers import CLIPTextConfig, CLIPTextModel

    _seed(plan)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=plan.text,
        intermediate_size=4 * plan.text,
        num_hidden_layers=plan.text_layers,
        num_attention_heads=max(1, plan.text // 48),
        max_position_embeddings=plan.length,
        bos_token_id=tokenizer.convert_tokens_to_ids(START),  # type: ignore[arg-type]
        eos_token_id=tokenizer.convert_tokens_to_ids(END),  # type: ignore[arg-type]
        pad_token_id=tokenizer.convert_tokens_to_ids(END),  # type: ignore[arg-type]
    )
    return nn.ModuleDict({"text": CLIPTextModel(config), "guess": nn.Linear(plan.text, plan.latent * 64)})


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


def make_denoiser(plan: Plan, text: "CLIPTextModel") -> "ModuleDict":
    """UNet and text encoder, trained together. The caption reaches the UNet through cross-attention and, pooled, with the time step."""
    from copy import deepcopy

    from diffusers.models.attention_processor import AttnProcessor
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from torch import nn

    _seed(plan)
    levels = len(plan.unet)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=plan.latent,
        out_channels=plan.latent,
        block_out_channels=plan.unet,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        cross_attention_dim=plan.text,
        attention_head_dim=4,
        norm_num_groups=plan.groups,
        use_linear_projection=True,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
    unet.set_attn_processor(AttnProcessor())  # so few positions: two products beat the fused kernel's backward pass
    return nn.ModuleDict({"unet": unet, "text": deepcopy(text).requires_grad_(True)})


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


def assemble(vae: "AutoencoderKL", tokenizer: "CLIPTokenizer", denoiser: "ModuleDict") -> "StableDiffusionPipeline":
    """A pipeline like any other Stable Diffusion's, on copies of what is being trained."""
    from copy import deepcopy

    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    unet: Any = deepcopy(denoiser["unet"])
    text: Any = deepcopy(denoiser["text"])
    unet.set_default_attn_processor()
    scheduler = DDIMScheduler(**NOISE, set_alpha_to_one=False, steps_offset=1, timestep_spacing="trailing")
    pipeline = StableDiffusionPipeline(
        vae=deepcopy(vae),
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,  # type: ignore[arg-type]
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


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


def as_tensor(emoji: Emoji, chosen: "Tensor") -> "Tensor":
    """Pictures as Stable Diffusion has them: n × 3 × 64 × 64 between −1 and 1."""
    import torch

    pixels = torch.from_numpy(emoji.pixels[chosen.numpy()]).permute(0, 3, 1, 2)
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def autocast() -> AbstractContextManager:
    """bfloat16 for products where the processor has it and the setting leaves the choice to us."""
    import torch

    device = "cuda" if has_cuda() else "cpu"
    return torch.autocast(device, torch.bfloat16, enabled=settings().dtype == "auto" and (has_cuda() or cpu_has_bf16()))


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


def _seed(plan: Plan) -> None:
    import torch

    torch.manual_seed(plan.seed)


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
