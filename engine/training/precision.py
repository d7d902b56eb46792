"""What a training computes in: as its spec asks, else as `STUDIO_DTYPE` says, whose `auto` takes what the device is made for.

Chat follows the setting too, but stays in float32 on CPUs: one token at a time it gains nothing there.
"""

from typing import Literal

from engine.devices import cpu_has_bf16, has_cuda
from engine.settings import settings
from engine.training.training_spec import TrainingSpec


def in_half(spec: TrainingSpec) -> bool:
    """Whether in 16 bits. Imports no torch."""
    if spec.bf16 or spec.fp16:
        return True
    dtype = settings().dtype
    by_default = {"float32": False, "bfloat16": True, "float16": has_cuda(), "auto": has_cuda() or cpu_has_bf16()}
    return spec.bf16 is not False and by_default[dtype]


def precision(spec: TrainingSpec) -> Literal["bf16", "fp16", "float32"]:
    """The same in full."""
    import torch

    if not in_half(spec):
        return "float32"
    if spec.bf16 or spec.fp16:
        return "bf16" if spec.bf16 else "fp16"
    if settings().dtype == "auto" and not torch.cuda.is_available():
        return "bf16" if cpu_has_bf16() else "float32"
    has_bf16 = settings().dtype == "bfloat16" or torch.cuda.is_bf16_supported()
    return "bf16" if has_bf16 and settings().dtype != "float16" else "fp16"
