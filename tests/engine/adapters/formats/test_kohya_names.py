"""kohya's names for every layer that its trainers touch, against a list made from its rules alone; SD 1.5 and SDXL.

sd-scripts walks diffusers' own UNet for SD 1.5 and Stability's for SDXL, writes underscores for dots, and takes the linear
layers and 1×1 convolutions below `Transformer2DModel`; with `conv_dim` also those of residual blocks, down- and upsamplers.
"""

import re
from typing import Any

import pytest
import torch

from engine.adapters.formats import kohya
from engine.adapters.formats.names import from_kohya, to_kohya
from engine.adapters.lora import Layer, Lora

SD15: dict[str, Any] = {
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
IN_BLOCK = ("attn1_to_q", "attn1_to_k", "attn1_to_v", "attn1_to_out_0", "attn2_to_q", "attn2_to_k", "attn2_to_v",
            "attn2_to_out_0", "ff_net_0_proj", "ff_net_2")  # fmt: skip
IN_ENCODER = ("self_attn_k_proj", "self_attn_v_proj", "self_attn_q_proj", "self_attn_out_proj", "mlp_fc1", "mlp_fc2")
LITERAL = {
    "sd1": {
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj": "text_encoder/encoder.layers.0.self_attn.q_proj",
        "lora_te_text_model_encoder_layers_11_mlp_fc2": "text_encoder/encoder.layers.11.mlp.fc2",
        "lora_unet_down_blocks_0_attentions_0_proj_in": "unet/down_blocks.0.attentions.0.proj_in",
        "lora_unet_down_blocks_1_attentions_1_transformer_blocks_0_attn2_to_out_0":
            "unet/down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_out.0",
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj":
            "unet/mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
        "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_2":
            "unet/up_blocks.3.attentions.2.transformer_blocks.0.ff.net.2",
        "lora_unet_up_blocks_1_resnets_2_conv_shortcut": "unet/up_blocks.1.resnets.2.conv_shortcut",
        "lora_unet_down_blocks_0_downsamplers_0_conv": "unet/down_blocks.0.downsamplers.0.conv",
        "lora_unet_down_blocks_3_resnets_1_time_emb_proj": "unet/down_blocks.3.resnets.1.time_emb_proj",
        "lora_unet_conv_in": "unet/conv_in",
        "lora_unet_time_embedding_linear_1": "unet/time_embedding.linear_1",
    },
    "sdxl": {
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj": "text_encoder/encoder.layers.0.self_attn.q_proj",
        "lora_te2_text_model_encoder_layers_31_mlp_fc1": "text_encoder_2/encoder.layers.31.mlp.fc1",
        "lora_unet_input_blocks_4_1_proj_in": "unet/down_blocks.1.attentions.0.proj_in",
        "lora_unet_input_blocks_5_1_transformer_blocks_1_attn1_to_q":
            "unet/down_blocks.1.attentions.1.transformer_blocks.1.attn1.to_q",
        "lora_unet_input_blocks_8_1_transformer_blocks_9_ff_net_0_proj":
            "unet/down_blocks.2.attentions.1.transformer_blocks.9.ff.net.0.proj",
        "lora_unet_middle_block_1_transformer_blocks_9_attn2_to_out_0":
            "unet/mid_block.attentions.0.transformer_blocks.9.attn2.to_out.0",
        "lora_unet_output_blocks_0_1_transformer_blocks_0_attn2_to_k":
            "unet/up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",
        "lora_unet_output_blocks_5_1_proj_out": "unet/up_blocks.1.attentions.2.proj_out",
        "lora_unet_input_blocks_1_0_in_layers_2": "unet/down_blocks.0.resnets.0.conv1",
        "lora_unet_input_blocks_4_0_skip_connection": "unet/down_blocks.1.resnets.0.conv_shortcut",
        "lora_unet_input_blocks_3_0_op": "unet/down_blocks.0.downsamplers.0.conv",
        "lora_unet_middle_block_2_emb_layers_1": "unet/mid_block.resnets.1.time_emb_proj",
        "lora_unet_output_blocks_2_2_conv": "unet/up_blocks.0.upsamplers.0.conv",
        "lora_unet_output_blocks_8_0_out_layers_3": "unet/up_blocks.2.resnets.2.conv2",
        "lora_unet_input_blocks_0_0": "unet/conv_in",
        "lora_unet_out_2": "unet/conv_out",
        "lora_unet_time_embed_2": "unet/time_embedding.linear_2",
        "lora_unet_label_emb_0_0": "unet/add_embedding.linear_1",
    },
}  # fmt: skip


def _transformer(name: str, depth: int) -> set[str]:
    blocks = {f"{name}_transformer_blocks_{at}_{layer}" for at in range(depth) for layer in IN_BLOCK}
    return {f"{name}_proj_in", f"{name}_proj_out"} | blocks


def _encoder(prefix: str, depth: int) -> set[str]:
    return {f"{prefix}_text_model_encoder_layers_{at}_{layer}" for at in range(depth) for layer in IN_ENCODER}


def golden_sd15() -> set[str]:
    """192 of the UNet and 72 of the text encoder, as sd-scripts reports them."""
    down = {
        name for level in (0, 1, 2) for at in (0, 1) for name in _transformer(f"down_blocks_{level}_attentions_{at}", 1)
    }
    up = {
        name
        for level in (1, 2, 3)
        for at in (0, 1, 2)
        for name in _transformer(f"up_blocks_{level}_attentions_{at}", 1)
    }
    unet = down | up | _transformer("mid_block_attentions_0", 1)
    assert len(unet) == 192
    return {f"lora_unet_{name}" for name in unet} | _encoder("lora_te", 12)


def golden_sdxl() -> set[str]:
    """722 of the UNet, 72 and 192 of the text encoders, as sd-scripts reports them."""
    depths = {"input_blocks_4_1": 2, "input_blocks_5_1": 2, "input_blocks_7_1": 10, "input_blocks_8_1": 10}
    depths |= {"middle_block_1": 10, **{f"output_blocks_{at}_1": 10 if at < 3 else 2 for at in range(6)}}
    unet = {name for block, depth in depths.items() for name in _transformer(block, depth)}
    assert len(unet) == 722
    return {f"lora_unet_{name}" for name in unet} | _encoder("lora_te1", 12) | _encoder("lora_te2", 32)


def golden_convolutions_sdxl() -> set[str]:
    """Residual blocks, down- and upsamplers of Stability's UNet: skips where the width changes, and on all ways up."""
    blocks = {f"input_blocks_{at}_0": at in (4, 7) for at in (1, 2, 4, 5, 7, 8)}
    blocks |= {"middle_block_0": False, "middle_block_2": False, **{f"output_blocks_{at}_0": True for at in range(9)}}
    names = {f"{block}_{layer}" for block in blocks for layer in ("in_layers_2", "out_layers_3", "emb_layers_1")}
    names |= {f"{block}_skip_connection" for block, skip in blocks.items() if skip}
    names |= {"input_blocks_3_0_op", "input_blocks_6_0_op", "output_blocks_2_2_conv", "output_blocks_5_2_conv"}
    return {f"lora_unet_{name}" for name in names}


def _targets(model: torch.nn.Module, below: str) -> Lora:
    """Layers that kohya trains: linear and convolution below modules of these classes."""
    found = {}
    for name, module in model.named_modules():
        if not re.fullmatch(below, type(module).__name__):
            continue
        for path, layer in module.named_modules(prefix=name):
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                found[path] = Layer(torch.zeros(1, 1), torch.zeros(1, 1), 1.0)
    return {"": found}


@pytest.fixture(scope="module")
def models():
    """SD 1.5's and SDXL's models without any weights."""
    from diffusers import UNet2DConditionModel  # type: ignore[attr-defined]
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    large: dict[str, Any] = {
        "hidden_size": 1280,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "intermediate_size": 5120,
    }
    small: dict[str, Any] = {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    }
    with torch.device("meta"):
        text = CLIPTextModel(CLIPTextConfig(**small))
        return {
            "sd1": {"unet": UNet2DConditionModel(**SD15), "text_encoder": text},
            "sdxl": {
                "unet": UNet2DConditionModel(**SDXL),
                "text_encoder": text,
                "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**large, projection_dim=1280)),
            },
        }


def _lora(models: dict[str, torch.nn.Module], unet: str = "Transformer2DModel") -> Lora:
    return {
        part: _targets(model, unet if part == "unet" else "CLIP.*Attention|CLIPMLP")[""]
        for part, model in models.items()
    }


@pytest.mark.parametrize(("family", "golden", "count"), [("sd1", golden_sd15, 264), ("sdxl", golden_sdxl, 986)])
def test_the_keys_are_kohyas_and_lead_back(models, family, golden, count):
    lora = _lora(models[family])
    tensors = kohya.write(lora, family)
    assert {key.partition(".")[0] for key in tensors} == golden() and len(golden()) == count
    assert {key.partition(".")[2] for key in tensors} == {"lora_down.weight", "lora_up.weight", "alpha"}
    assert len(tensors) == 3 * count
    back = kohya.read(tensors, "x")
    bare = {part: {path.removeprefix("text_model.") for path in layers} for part, layers in lora.items()}
    assert {part: set(layers) for part, layers in back.items()} == bare


def test_residual_blocks_and_samplers_too(models):
    below = "ResnetBlock2D|Downsample2D|Upsample2D"
    lora: Lora = {"unet": _lora({"unet": models["sdxl"]["unet"]}, below)["unet"]}
    tensors = kohya.write(lora, "sdxl")
    assert {key.partition(".")[0] for key in tensors} == golden_convolutions_sdxl()
    assert set(kohya.read(tensors, "x")["unet"]) == set(lora["unet"])
    lora = {"unet": _lora({"unet": models["sd1"]["unet"]}, below)["unet"]}
    assert set(kohya.read(kohya.write(lora, "sd1"), "x")["unet"]) == set(lora["unet"])


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_single_keys(family, models):
    one = Layer(torch.zeros(1, 1), torch.zeros(1, 1), 1.0)
    for key, place in LITERAL[family].items():
        part, _, path = place.partition("/")
        assert f"{key}.alpha" in kohya.write({part: {path: one}}, family)
        assert models[family][part].get_submodule(path if part != "text_encoder_2" else f"text_model.{path}")


def test_sdxl_is_read_by_diffusers_names_too_and_nonsense_is_nothing():
    assert from_kohya("down_blocks_1_attentions_0_proj_in") == "down_blocks.1.attentions.0.proj_in"
    assert from_kohya("output_blocks_2_1_conv") == "up_blocks.0.upsamplers.0.conv"  # Stability's UNet of SD 1.5
    assert to_kohya("up_blocks.0.upsamplers.0.conv") == "up_blocks_0_upsamplers_0_conv"
    for name in (
        "double_blocks_0_img_attn_proj",
        "proj_in",
        "down_blocks_0",
        "",
        "input_blocks_1_9",
        "conv_in_conv_in",
    ):
        assert from_kohya(name) is None
