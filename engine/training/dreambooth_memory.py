"""How much memory a DreamBooth training needs on a device, and the verdict before it starts. Loads no weights.

An estimate: weights are counted in the files' headers; activations were counted once on Stable Diffusion 1.5's UNet, and grow
with the picture's area, the width of the first level and the batch.
"""

import math
import shutil
from typing import Any

from engine.diffusion.catalog import PictureSource, resolve, weights_of
from engine.errors import BadInput
from engine.files import read_json, read_safetensors_header
from engine.settings import settings
from engine.training.dreambooth_base import configuration
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.launch.command import check
from engine.training.memory import Memory
from engine.training.precision import in_half
from engine.training.preflight import Verdict, disk_problem, free_memory, gib

_KEPT, _KEPT_CHECKPOINTING = 450, 150
"""Numbers kept for the way back, for each channel of the first level and each latent, and the same with checkpointing: 320 and 57
were counted, and what a layer needs while it computes comes on top."""
_OPTIMIZER = {"adamw": 8, "adamw8bit": 2}
"""Bytes for each trained weight."""
_ATTENTION = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight")
_IN_TEXT = ("q_proj.weight", "k_proj.weight", "v_proj.weight", "out_proj.weight")


def preflight(spec: DreamboothSpec) -> Verdict:
    """Look at what a completed spec asks for and at what there is.

    Raises:
        BadInput: the model cannot be read at all; or as `launch.command.check` says.
    """
    check(spec)
    source = resolve(spec.model)
    memory = needed(spec, source)
    free, per_device = free_memory(spec)
    trained = memory.adapter // 8
    disk = (trained * 12 + 2**20) * (spec.save_total_limit + 2)
    disk_free = shutil.disk_usage(settings().runs).free
    problems = [disk_problem(disk, disk_free), _memory_problem(spec, source, memory, free, per_device)]
    return Verdict(
        memory=memory,
        free=free,
        per_device=per_device,
        disk=disk,
        disk_free=disk_free,
        prepared=None,
        steps=spec.max_steps,
        seconds=None,
        problems=[problem for problem in problems if problem],
    )


def needed(spec: DreamboothSpec, source: PictureSource) -> Memory:
    """What one process needs on its device."""
    shapes = _shapes(source)
    bytes_each = 2 if in_half(spec) else 4
    config = _unet(source)
    latents = (spec.resolution or config["sample_size"] * 8) ** 2 / 64
    kept = _KEPT_CHECKPOINTING if spec.gradient_checkpointing else _KEPT
    rows = spec.batch_size * (2 if spec.prior_preservation else 1)
    trained = _trained(spec, shapes)
    return Memory(
        model=sum(math.prod(shape) for shape in shapes.values()) * bytes_each,
        adapter=trained * 8,
        optimizer=trained * _OPTIMIZER[spec.optimizer],
        activations=int(rows * kept * latents * config["block_out_channels"][0] * bytes_each),
    )


def _trained(spec: DreamboothSpec, shapes: dict[str, list[int]]) -> int:
    """Weights of the adapter: rank times rows and columns of each layer."""
    sizes = {name: shape[0] + math.prod(shape[1:]) for name, shape in shapes.items()}
    total = spec.rank * sum(size for name, size in sizes.items() if name.endswith(_ATTENTION))
    if spec.target_modules == "attention-and-convolutions":
        convolutions = (name for name, shape in shapes.items() if len(shape) == 4 and name.startswith("unet."))
        total += spec.rank * sum(sizes[name] for name in convolutions if "resnets" in name or "samplers" in name)
    if spec.train_text_encoder:
        total += spec.text_rank * sum(
            size for name, size in sizes.items() if name.endswith(_IN_TEXT) and "add_embedding" not in name
        )
    return total


def _shapes(source: PictureSource) -> dict[str, list[int]]:
    try:
        return {
            f"{file.parent.name}.{name}": tensor["shape"]
            for file in weights_of(source)
            for name, tensor in read_safetensors_header(file).items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=source.name) from error


def _unet(source: PictureSource) -> dict[str, Any]:
    return read_json(configuration(source) / "unet" / "config.json")


def _memory_problem(
    spec: DreamboothSpec, source: PictureSource, memory: Memory, free: int, per_device: int
) -> BadInput | None:
    if memory.total * per_device <= free:
        return None
    values = {"needed": gib(memory.total * per_device), "free": gib(free)}
    for change, other in _smaller(spec):
        if needed(other, source).total * per_device <= free:
            return BadInput(
                "It needs about {needed} on a device, and {free} are free. This would fit: {change}.",
                change=change,
                **values,
            )
    return BadInput(
        "It needs about {needed} on a device, and {free} are free: choose a smaller model, or free some memory.",
        **values,
    )


def _smaller(spec: DreamboothSpec) -> list[tuple[str, DreamboothSpec]]:
    """Changes that save memory, the least painful first; each keeps those before it."""
    spec = spec.model_copy(update={"gradient_checkpointing": True})
    found = [("--gradient-checkpointing", spec)]
    while spec.batch_size > 1:
        half = {"batch_size": spec.batch_size // 2, "grad_accum": spec.grad_accum * 2}
        spec = spec.model_copy(update=half)
        words = f"--gradient-checkpointing --batch-size {spec.batch_size} --grad-accum {spec.grad_accum}"
        found.append((words, spec))
    return found
