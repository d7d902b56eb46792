"""The models that the starter picture model is made of, their sizes, and the way between pictures and tensors.

No training here: `engine.training.starter_diffusion` is the recipe.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.devices import cpu_has_bf16, has_cuda
from engine.diffusion.captions import Captions
from engine.diffusion.emoji import Emoji
from engine.settings import settings
from engine.training.picture_tokenizer import END, START, learn_tokenizer

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from torch import Tensor
    from torch.nn import ModuleDict
    from transformers import CLIPTextModel, CLIPTokenizer

NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "clip_sample": False,
}


@dataclass(frozen=True)
class Plan:
    """Sizes and steps. The defaults make the starter; tests make a tiny one."""

    steps: dict[str, int] = field(default_factory=lambda: {"vae": 3_000, "text": 2_000, "unet": 5_000})
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


def distribution(vae: "AutoencoderKL", pictures: "Tensor") -> "DiagonalGaussianDistribution":
    """Where the pictures lie among the latents."""
    return vae.encode(pictures).latent_dist  # type: ignore[union-attr]


def redraw(vae: "AutoencoderKL", latents: "Tensor") -> "Tensor":
    """The pictures that latents stand for."""
    return vae.decode(latents).sample.float()  # type: ignore[union-attr,arg-type]


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


def _seed(plan: Plan) -> None:
    import torch

    torch.manual_seed(plan.seed)
