"""Tiny real pipelines with random weights, and adapters for them: milliseconds a step, every code path real."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.settings import settings

WORDS = ["a red apple, fluent 3d", "a blue whale, noto", "cat face on white, twemoji"] * 20


STARTERS: dict[str, Any] = {
    "resnet_time_scale_shift": "scale_shift",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 4,
}
"""How the starter's UNet differs from Stable Diffusion 1.5's."""


def tiny_pipeline(seed: int = 0, latent: int = 8, prediction: str = "v_prediction", extra: Any = STARTERS) -> Any:
    """A Stable Diffusion shaped like the starter: 64 × 64 pictures, latents of 8 channels, pooled text with the time step."""
    import torch

    diffusers = _diffusers()
    torch.manual_seed(seed)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=latent,
        out_channels=latent,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=4,
        use_linear_projection=True,
        **extra,
    )
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
        prediction_type=prediction,
    )
    return diffusers.StableDiffusionPipeline(
        vae=_vae(latent),
        text_encoder=_text(32),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_xl_pipeline(seed: int = 0) -> Any:
    """A Stable Diffusion XL in small: two text encoders, sizes told to the UNet, 64 × 64 pictures."""
    import torch

    diffusers = _diffusers()
    torch.manual_seed(seed)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32 + 48,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * 6 + 48,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_vae(4),
        text_encoder=_text(32),
        text_encoder_2=_text(48, projection=48),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )


def _diffusers() -> Any:
    """The library without its types, which know no small models."""
    import diffusers

    return diffusers


def _vae(latent: int) -> Any:
    return _diffusers().AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=latent,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
        sample_size=64,
        scaling_factor=1.0,
    )


def _tokenizer() -> Any:
    from engine.training.picture_tokenizer import learn_tokenizer

    return learn_tokenizer(WORDS, 600, 16)


def _text(width: int, projection: int | None = None) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=600,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=projection or width,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


@pytest.fixture(scope="session")
def tiny_picture_folder(tmp_path_factory) -> Path:
    """The tiny pipeline as a folder."""
    return _saved(tiny_pipeline(), tmp_path_factory.mktemp("pictures") / "tiny-pictures")


@pytest.fixture(scope="session")
def tiny_xl_folder(tmp_path_factory) -> Path:
    """The tiny XL pipeline as a folder."""
    return _saved(tiny_xl_pipeline(), tmp_path_factory.mktemp("pictures") / "tiny-xl")


def _saved(pipe: Any, folder: Path) -> Path:
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture
def pictures(tiny_picture_folder, studio_home, monkeypatch) -> str:
    """The tiny pipeline under the name `tiny-pictures`, and as the default picture model."""
    (settings().models / "tiny-pictures").symlink_to(tiny_picture_folder)
    monkeypatch.setenv("STUDIO_PICTURE_MODEL", "tiny-pictures")
    settings.cache_clear()
    return "tiny-pictures"


@pytest.fixture
def xl(tiny_xl_folder, studio_home) -> str:
    """The tiny XL pipeline under the name `tiny-xl`."""
    (settings().models / "tiny-xl").symlink_to(tiny_xl_folder)
    return "tiny-xl"


@pytest.fixture(scope="session")
def tiny_pipe() -> Any:
    """The tiny pipeline in memory, for tests that leave it as it is."""
    pipe = tiny_pipeline()
    pipe.set_progress_bar_config(disable=True)
    return pipe


UNET = ("mid_block.attentions.0.transformer_blocks.0.attn2.to_k", "up_blocks.1.attentions.0.proj_in", "conv_in")
TEXT = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.1.mlp.fc1")


def make_lora(
    name: str,
    folder: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    alpha: float = 4,
    base: str = "tiny-pictures",
    unet: tuple[str, ...] = UNET,
    text: tuple[str, ...] = TEXT,
    strength: float = 0.5,
    fingerprint: str | None = None,
    family: str | None = None,
) -> Any:
    """An adapter in the store with random weights, large enough to be seen, for the pipeline in a folder."""
    import tempfile

    import torch
    from safetensors import safe_open

    from engine.adapters.importing import write_image
    from engine.adapters.lora import Layer
    from engine.adapters.store import Card, publish

    generator = torch.Generator().manual_seed(seed)

    def layer(part: str, path: str) -> Layer:
        file = next((folder / part).glob("*.safetensors"))
        with safe_open(file, framework="pt") as opened:
            keys = [key for key in opened.keys() if key.endswith(f"{path}.weight")]  # noqa: SIM118
            shape = opened.get_slice(keys[0]).get_shape()
        a = torch.randn(rank, *shape[1:], generator=generator) / rank**0.5
        b = torch.randn(shape[0], rank, *[1] * (len(shape) - 2), generator=generator) * strength
        return Layer(a, b, float(alpha))

    parts = {"unet": unet, "text_encoder": text}
    lora = {part: {path: layer(part, path) for path in paths} for part, paths in parts.items() if paths}
    card = Card(kind="image", base_model=base, base_fingerprint=fingerprint, family=family, trigger_words=f"sks {name}")
    with tempfile.TemporaryDirectory() as made:
        write_image(Path(made), lora, base)
        return publish(name, Path(made), card)


def forget(name: str) -> None:
    """Remove an adapter's folder behind the store's back."""
    shutil.rmtree(settings().lora_store / name)
