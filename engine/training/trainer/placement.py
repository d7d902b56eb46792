"""Where a training's base model goes: whole onto the device of each process, or shared out as it is read."""

from typing import Any

from engine.models.loader import Placement
from engine.training.lora_spec import LoraSpec


def training_placement(spec: LoraSpec, args: Any) -> Placement:
    """The placement for one process.

    Args:
        spec: what to do.
        args: the training arguments, which know this process's device.
    """
    from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

    configured = Placement.from_settings()
    computed = "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"
    dtype = computed if configured.dtype == "auto" else configured.dtype
    # with ZeRO-3 and FSDP no process ever holds the whole model
    shared_out = is_deepspeed_zero3_enabled() or spec.fsdp != "none"
    return Placement(dtype, spec.quantization, "none" if shared_out else str(args.device))
