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
    # with ZeRO-3 and FSDP no process ever holds the whole model
    shared_out = is_deepspeed_zero3_enabled() or spec.fsdp != "none"
    return Placement(configured.dtype, spec.quantization, "none" if shared_out else str(args.device))
