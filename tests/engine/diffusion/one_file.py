"""Writes a tiny pipeline as one file with the names that Stability gave its weights, as A1111 loads them."""

from pathlib import Path
from typing import Any

from safetensors.torch import save_file

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def write_one_file(pipe: Any, file: Path) -> Path:
    """All weights of a pipeline of SD 1.5's or XL's make."""
    tensors = {}
    for name, tensor in pipe.unet.state_dict().items():
        tensors[f"model.diffusion_model.{_unet(name, pipe.unet.config.layers_per_block)}"] = tensor
    for name, tensor in pipe.vae.state_dict().items():
        tensors[f"first_stage_model.{_vae(name, len(pipe.vae.config.block_out_channels))}"] = tensor
    first = "conditioner.embedders.0.transformer" if hasattr(pipe, "text_encoder_2") else "cond_stage_model.transformer"
    for name, tensor in pipe.text_encoder.state_dict().items():
        tensors[f"{first}.text_model.{name.removeprefix('text_model.')}"] = tensor
    if hasattr(pipe, "text_encoder_2"):
        for name, tensor in _open_clip(pipe.text_encoder_2).items():
            tensors[f"conditioner.embedders.1.model.{name}"] = tensor
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, file)
    return file


def _unet(name: str, layers: int) -> str:
    for ours, theirs in _OUTSIDE.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    words = name.split(".")
    if words[0] == "mid_block":
        place = f"middle_block.{1 if words[1] == 'attentions' else 2 * int(words[2])}"
        return _inner(place, words[1], words[3:])
    block, kind, at = int(words[1]), words[2], int(words[3])
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{words[-1]}"
    if kind == "upsamplers":
        return f"output_blocks.{block * (layers + 1) + layers}.2.conv.{words[-1]}"
    down = words[0] == "down_blocks"
    number = block * (layers + 1) + at + down
    return _inner(f"{'in' if down else 'out'}put_blocks.{number}.{int(kind == 'attentions')}", kind, words[4:])


def _inner(place: str, kind: str, rest: list[str]) -> str:
    if kind == "resnets":
        rest = [_RESNET[rest[0]], *rest[1:]]
    return ".".join([place, *rest])


def _vae(name: str, levels: int) -> str:
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    words = name.split(".")
    if len(words) > 3 and words[1] in ("down_blocks", "up_blocks"):
        level = int(words[2]) if words[1] == "down_blocks" else levels - 1 - int(words[2])
        way = words[1].removesuffix("_blocks")
        kind = "block" if words[3] == "resnets" else f"{way}sample"
        rest = words[4:] if kind == "block" else words[5:]
        return ".".join([words[0], way, str(level), kind, *rest])
    if len(words) > 2 and words[1] == "mid_block":
        return ".".join([words[0], "mid", f"block_{int(words[3]) + 1}", *words[4:]])
    return name


def _open_clip(encoder: Any) -> dict[str, Any]:
    """XL's second text encoder, with the names that OpenCLIP gives its weights: queries, keys and values in one matrix."""
    import torch

    named = {name.removeprefix("text_model."): tensor for name, tensor in encoder.state_dict().items()}
    tensors = {
        "token_embedding.weight": named["embeddings.token_embedding.weight"],
        "positional_embedding": named["embeddings.position_embedding.weight"],
        "ln_final.weight": named["final_layer_norm.weight"],
        "ln_final.bias": named["final_layer_norm.bias"],
        "text_projection": named["text_projection.weight"].T,
    }
    pairs = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for layer in range(encoder.config.num_hidden_layers):
        ours, theirs = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            for there, here in {**pairs, "attn.out_proj": "self_attn.out_proj"}.items():
                tensors[f"{theirs}.{there}.{kind}"] = named[f"{ours}.{here}.{kind}"]
            parts = [named[f"{ours}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            tensors[f"{theirs}.attn.in_proj_{kind}"] = torch.cat(parts)
    return tensors
