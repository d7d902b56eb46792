"""What a trainer's model gets on a CPU, once the adapter is in it: our head and our LoRA layers."""

from typing import Any

from transformers import Trainer

from engine.training.trainer.head import base_of, use_cpu_head
from engine.training.trainer.lora_linear import use_cpu_lora


def speed_up(trainer: Trainer) -> None:
    """Do so; models on GPUs, and layers of other kinds, stay as they are. Calling it again changes nothing."""
    model: Any = base_of(trainer)
    if "studio_on_cpu" in model.__dict__:
        return
    model.studio_on_cpu = True
    use_cpu_head(model)
    if not trainer.is_deepspeed_enabled:  # its hooks gather weights where PEFT's own layers run
        use_cpu_lora(model)
