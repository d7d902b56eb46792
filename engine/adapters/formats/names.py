"""What kohya calls the layers of a picture model: underscores for dots, and for SDXL the names of Stability's own UNet.

Underscores also stand inside names, so a kohya name is taken apart by the words there are, and counts only if the result
is a layer that such a model can have.
"""

import re

_UNET = re.compile(
    r"conv_(in|out)|(time|add)_embedding\.linear_[12]"
    r"|(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.("
    r"attentions\.\d+\.(proj_in|proj_out|transformer_blocks\.\d+\.(attn[12]\.(to_[qkv]|to_out\.0)|ff\.net\.(0\.proj|2)))"
    r"|resnets\.\d+\.(conv[12]|time_emb_proj|conv_shortcut)|(down|up)samplers\.0\.conv)"
)
_TEXT_ENCODER = re.compile(
    r"(text_model\.)?encoder\.layers\.\d+\.(self_attn\.(q|k|v|out)_proj|mlp\.fc[12])|text_projection"
)
_WORD = re.compile(  # longer ones before those they begin with
    r"(down_blocks|up_blocks|mid_block|attentions|resnets|downsamplers|upsamplers|transformer_blocks|attn1|attn2"
    r"|to_q|to_k|to_v|to_out|ff|net|proj_in|proj_out|proj|conv_in|conv_out|conv1|conv2|conv_shortcut|conv|time_emb_proj"
    r"|time_embedding|add_embedding|linear_1|linear_2"
    r"|text_model|encoder|layers|self_attn|q_proj|k_proj|v_proj|out_proj|mlp|fc1|fc2|text_projection|\d+)(?:_|$)"
)

# Stability's UNet numbers its blocks through; every level has two residual blocks, and three on the way up
_OUTSIDE = {
    "input_blocks_0_0": "conv_in",
    "out_2": "conv_out",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
}
_IN_RESNET = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_LEVEL = 3


def from_kohya(name: str) -> str | None:
    """The path of the layer that kohya calls `name` (without `lora_unet_` or `lora_te_`); None if there is no such layer."""
    rest = _from_stability(name)
    words = []
    while rest:
        match = _WORD.match(rest)
        if match is None:
            return None
        words.append(match[1])
        rest = rest[match.end() :]
    path = ".".join(words)
    return path if is_layer(path) else None


def to_kohya(path: str, stability: bool = False) -> str:
    """What kohya calls a layer, without `lora_unet_` or `lora_te_`.

    Args:
        path: the layer's.
        stability: whether by the names of Stability's UNet, as kohya does for SDXL.
    """
    name = path.replace(".", "_")
    return _to_stability(name) if stability else name


def is_layer(path: str) -> bool:
    """Whether a UNet or a text encoder of Stable Diffusion can have a layer at this path."""
    return bool(_UNET.fullmatch(path) or _TEXT_ENCODER.fullmatch(path))


def _from_stability(name: str) -> str:
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    if match := re.fullmatch(r"middle_block_([012])_(.+)", name):
        number = int(match[1])
        kind, at = ("attentions", 0) if number == 1 else ("resnets", number // 2)
        return f"mid_block_{kind}_{at}_{_IN_RESNET.get(match[2], match[2])}"
    if match := re.fullmatch(r"(in|out)put_blocks_(\d+)_(\d+)_(.+)", name):
        down = match[1] == "in"
        level, at = divmod(int(match[2]) - down, _LEVEL)
        block = f"{'down' if down else 'up'}_blocks_{level}"
        if match[4] in ("op", "conv"):
            return f"{block}_{'down' if down else 'up'}samplers_0_conv"
        kind = "resnets" if match[3] == "0" else "attentions"
        return f"{block}_{kind}_{at}_{_IN_RESNET.get(match[4], match[4])}"
    return name


def _to_stability(name: str) -> str:
    for theirs, ours in (_OUTSIDE | _IN_RESNET).items():
        if theirs in _OUTSIDE and name == ours:
            return theirs
        if theirs in _IN_RESNET and "resnets_" in name and name.endswith(f"_{ours}"):
            name = name.removesuffix(ours) + theirs
            break
    if match := re.fullmatch(r"mid_block_(attentions|resnets)_(\d+)_(.+)", name):
        return f"middle_block_{1 if match[1] == 'attentions' else 2 * int(match[2])}_{match[3]}"
    if match := re.fullmatch(r"down_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", name):
        return f"input_blocks_{_LEVEL * int(match[1]) + int(match[3]) + 1}_{int(match[2] == 'attentions')}_{match[4]}"
    if match := re.fullmatch(r"down_blocks_(\d+)_downsamplers_0_conv", name):
        return f"input_blocks_{_LEVEL * int(match[1]) + _LEVEL}_0_op"
    if match := re.fullmatch(r"up_blocks_(\d+)_(attentions|resnets)_(\d+)_(.+)", name):
        return f"output_blocks_{_LEVEL * int(match[1]) + int(match[3])}_{int(match[2] == 'attentions')}_{match[4]}"
    if match := re.fullmatch(r"up_blocks_(\d+)_upsamplers_0_conv", name):
        # third in its place after residual block and attention: SDXL's levels that are made larger all have attention
        return f"output_blocks_{_LEVEL * int(match[1]) + _LEVEL - 1}_2_conv"
    return name
