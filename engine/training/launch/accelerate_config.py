"""accelerate's configuration: made from a spec, or a person's own file checked against it."""

from pathlib import Path
from typing import Any

import yaml

from engine.devices import has_cuda
from engine.errors import BadInput
from engine.training.launch.deepspeed_config import differences
from engine.training.training_spec import TrainingSpec

_SHARDING = {"full_shard": "FULL_SHARD", "shard_grad_op": "SHARD_GRAD_OP"}


def make(spec: TrainingSpec, deepspeed_file: Path | None) -> dict[str, Any]:
    """A configuration for `accelerate launch --config_file`. Precision is not in it: the recipe says it to the Trainer.

    Args:
        spec: what to run.
        deepspeed_file: the DeepSpeed configuration that it names, if DeepSpeed trains.
    """
    config: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "num_machines": spec.nodes,
        "machine_rank": spec.node_rank,
        "num_processes": spec.world_size,
        "rdzv_backend": "static",
        "same_network": True,
        "use_cpu": False,  # true would make accelerate start one process and drop DeepSpeed; the recipe knows the device
        "debug": False,
    }
    if deepspeed_file:
        config["distributed_type"] = "DEEPSPEED"
        config["deepspeed_config"] = {
            "deepspeed_config_file": str(deepspeed_file),
            "deepspeed_multinode_launcher": "standard",
            "zero3_init_flag": spec.zero == 3,
        }
    elif spec.fsdp != "none":
        config["distributed_type"] = "FSDP"
        config["fsdp_config"] = {
            "fsdp_version": 1,
            "fsdp_sharding_strategy": _SHARDING[spec.fsdp],
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_state_dict_type": "FULL_STATE_DICT",
            "fsdp_offload_params": False,
            "fsdp_use_orig_params": True,  # frozen and trained weights lie side by side in a layer
            "fsdp_cpu_ram_efficient_loading": True,
            "fsdp_sync_module_states": True,
            "fsdp_activation_checkpointing": spec.gradient_checkpointing,
        }
    else:
        config["distributed_type"] = "MULTI_GPU" if spec.world_size > 1 else "NO"  # on CPUs it starts processes as well
    return config


def read(file: Path) -> dict[str, Any]:
    """A person's own file.

    Raises:
        BadInput: it is missing or no YAML mapping.
    """
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput("There is no accelerate file {file}.", file=file) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput("The accelerate file {file} is not valid YAML.", file=file) from error
    if not isinstance(config, dict):
        raise BadInput("The accelerate file {file} is not valid YAML.", file=file)
    return config


def contradictions(spec: TrainingSpec, config: dict[str, Any]) -> list[str]:
    """Where a person's own configuration says something else than the spec; see `deepspeed_config.contradictions`."""
    expected: dict[str, Any] = {
        "num_processes": spec.world_size,
        "num_machines": spec.nodes,
        "machine_rank": spec.node_rank,
        "deepspeed_config.gradient_accumulation_steps": spec.grad_accum,
        "deepspeed_config.gradient_clipping": spec.max_grad_norm,
    }
    if spec.bf16 or spec.fp16:
        expected["mixed_precision"] = "bf16" if spec.bf16 else "fp16"
    if spec.zero:
        expected["distributed_type"] = "DEEPSPEED"
        expected["deepspeed_config.zero_stage"] = spec.zero
    if spec.fsdp != "none":
        expected["distributed_type"] = "FSDP"
        expected["fsdp_config.fsdp_sharding_strategy"] = _SHARDING[spec.fsdp]
    if spec.offload != "none":
        expected["deepspeed_config.offload_optimizer_device"] = "cpu"
    if spec.offload == "all":
        expected["deepspeed_config.offload_param_device"] = "cpu"
    found = differences(expected, config)
    if config.get("use_cpu") and (spec.uses_deepspeed or config.get("distributed_type") == "DEEPSPEED"):
        found.append("use_cpu: true / false")  # it would silently drop DeepSpeed
    if config.get("distributed_type") == "FSDP" and not has_cuda():
        raise BadInput("FSDP needs GPUs, and there are none here: choose ZeRO stage 3 instead.")
    return found
