"""DeepSpeed's configuration: made from a spec, or a person's own file checked against it.

Whatever the spec says stands as `auto`, which transformers fills from the very same values, so the two cannot differ.
"""

import json
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.training.lora_spec import LoraSpec
from engine.training.training_spec import TrainingSpec


def make(spec: TrainingSpec) -> dict[str, Any]:
    """A configuration for the ZeRO stage and offloading that a spec asks for."""
    zero: dict[str, Any] = {"stage": spec.zero, "overlap_comm": True, "contiguous_gradients": True}
    if spec.zero == 3:
        zero |= {
            "reduce_bucket_size": "auto",
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    if spec.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if spec.offload == "all":
        zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    return {
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
        "zero_optimization": zero,
        # the optimizer is the one that every launcher uses; DeepSpeed's own for the CPU would have to be compiled
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def read(file: Path) -> dict[str, Any]:
    """A person's own file.

    Raises:
        BadInput: it is missing or no JSON object.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput("There is no DeepSpeed file {file}.", file=file) from error
    except (OSError, ValueError) as error:
        raise BadInput("The DeepSpeed file {file} is not valid JSON.", file=file) from error
    if not isinstance(config, dict):
        raise BadInput("The DeepSpeed file {file} is not valid JSON.", file=file)
    return config


def contradictions(spec: TrainingSpec, config: dict[str, Any]) -> list[str]:
    """Where a person's own configuration says something else than the spec: `name: 8 in the file, 4 in the settings`.

    What the file leaves out or leaves to `auto` follows the spec; the ZeRO stage and offloading are the file's unless the
    spec asks for some.
    """
    expected: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": spec.batch_size,
        "gradient_accumulation_steps": spec.grad_accum,
        "train_batch_size": spec.batch_size * spec.grad_accum * spec.world_size,
        "gradient_clipping": spec.max_grad_norm,
        "optimizer.params.weight_decay": spec.weight_decay,
    }
    if isinstance(spec, LoraSpec):
        expected |= {"optimizer.params.lr": spec.learning_rate, "scheduler.params.warmup_max_lr": spec.learning_rate}
    if spec.bf16 is not None:
        expected["bf16.enabled"] = spec.bf16
    if spec.fp16 is not None:
        expected["fp16.enabled"] = spec.fp16
    if spec.zero:
        expected["zero_optimization.stage"] = spec.zero
    if spec.offload != "none":
        expected["zero_optimization.offload_optimizer.device"] = "cpu"
    if spec.offload == "all":
        expected["zero_optimization.offload_param.device"] = "cpu"
    return differences(expected, config)


def differences(expected: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Values of a nested configuration that differ from those expected by dotted name; `auto` and what is missing do not."""
    found = []
    for name, value in expected.items():
        there = _at(config, name)
        if there not in (None, "auto", value):
            found.append(f"{name}: {there} / {value}")
    return found


def _at(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return config
