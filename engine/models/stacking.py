"""Two LoRA adapters as one that does what both do together: their matrices side by side, the ranks added up.

Exact but for rounding, unlike a mean of weights. Reads and writes files; loads no model.
"""

from pathlib import Path
from typing import Any

from engine.adapters.store import CONFIG, WEIGHTS
from engine.errors import BadInput
from engine.files import read_json, write_json


def stack(lower: Path, upper: Path) -> None:
    """Make the adapter in the folder `upper`, trained on top of `lower`, one that needs only the base.

    Raises:
        BadInput: one of them is more than two matrices a layer.
    """
    import torch
    from safetensors.torch import load_file, save_file

    configs = [read_json(folder / CONFIG) for folder in (lower, upper)]
    weights = [load_file(folder / WEIGHTS) for folder in (lower, upper)]
    for config in configs:
        _refuse_more_than_lora(config)
    ranks, scales = [config["r"] for config in configs], [_scale(config) for config in configs]
    joined = {name: tensor for name, tensor in weights[1].items() if ".lora_" not in name}  # a reward model's head
    for name in sorted({name for part in weights for name in part if ".lora_A." in name}):
        other = name.replace(".lora_A.", ".lora_B.")
        like_a, like_b = next((part[name], part[other]) for part in weights if name in part)
        parts = zip(weights, ranks, scales, strict=True)
        pairs = [
            (part[name], part[other] * scale)
            if name in part
            else (like_a.new_zeros(rank, like_a.shape[1]), like_b.new_zeros(like_b.shape[0], rank))
            for part, rank, scale in parts
        ]
        joined[name] = torch.cat([a for a, _ in pairs], dim=0).contiguous()
        joined[other] = torch.cat([b for _, b in pairs], dim=1).contiguous()
    modules = sorted({module for config in configs for module in config["target_modules"]})
    total = sum(ranks)
    new = upper / f"{WEIGHTS}.new"  # the old file is still mapped into memory
    save_file(joined, new, metadata={"format": "pt"})
    new.replace(upper / WEIGHTS)
    write_json(
        upper / CONFIG,
        {**configs[1], "r": total, "lora_alpha": total, "use_rslora": False, "target_modules": modules},
    )


def _scale(config: dict[str, Any]) -> float:
    return config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])


def _refuse_more_than_lora(config: dict[str, Any]) -> None:
    if config.get("use_dora") or config.get("rank_pattern") or config.get("alpha_pattern") or config.get("lora_bias"):
        raise BadInput(
            "An adapter with DoRA, a bias or ranks of its own for some layers cannot be stacked on: continue it."
        )
