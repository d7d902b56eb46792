"""A spec as the arguments of one of TRL's trainers: devices, precision and launchers come from what is there."""

import importlib.util
import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import TrainingArguments

from engine.runs import Run
from engine.settings import settings
from engine.training.launch.command import deepspeed_file
from engine.training.lora_spec import LoraSpec
from engine.training.precision import precision

Config = TypeVar("Config", bound=TrainingArguments)


def make_arguments(kind: type[Config], spec: LoraSpec, run: Run, evaluates: bool, **own: Any) -> Config:
    """The arguments; making them joins this process to the others of the run.

    Args:
        kind: the trainer's own class of arguments.
        spec: what to do.
        run: whose folder checkpoints and curves go to.
        evaluates: whether there are rows kept aside.
        own: what only this kind has.
    """
    _prepare_reporting(spec, run)
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    half = precision(spec)
    liger = spec.liger if spec.liger is not None else _has_liger()
    # under `accelerate launch` the environment names DeepSpeed's file
    deepspeed = deepspeed_file(spec, run) if spec.launcher in ("torchrun", "deepspeed") else None
    arguments = kind(
        output_dir=str(run.checkpoints),
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=spec.batch_size,
        gradient_accumulation_steps=spec.grad_accum,
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule,
        warmup_steps=spec.warmup,  # below 1 it is a share of all steps
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        bf16=half == "bf16",
        fp16=half == "fp16",
        gradient_checkpointing=spec.gradient_checkpointing,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is not a number must be seen
        eval_strategy="steps" if evaluates else "no",
        eval_steps=spec.eval_steps,
        save_steps=spec.save_steps,
        save_total_limit=None,  # RunCallback removes old ones, after the new one is sealed
        seed=spec.seed,
        use_cpu=not gpu,  # without it accelerate counts one process on every rank
        ddp_find_unused_parameters=False,  # an adapter's weights are all used, and looking for others takes time
        deepspeed=str(deepspeed) if deepspeed else None,
        use_liger_kernel=liger,
        report_to=spec.report_to,
        project="studio",
        run_name=run.id,
        trackio_static_space_id=False,
        disable_tqdm=True,
        **own,
    )
    if arguments.deepspeed_plugin is not None and torch.distributed.is_initialized():
        import deepspeed

        deepspeed.init_distributed()  # it must know of the other processes before it shares out a model
    return arguments


def _prepare_reporting(spec: LoraSpec, run: Run) -> None:
    if spec.report_to == "wandb":
        os.environ.setdefault("WANDB_PROJECT", "studio")
        os.environ.setdefault("WANDB_DIR", str(run.path))
        if not os.environ.get("WANDB_API_KEY") and not _has_netrc():
            os.environ.setdefault("WANDB_MODE", "offline")  # else it would ask for a key, and nobody is there to answer
    if spec.report_to == "trackio":
        os.environ.setdefault("TRACKIO_DIR", str(settings().var / "trackio"))


def _has_netrc() -> bool:
    return (Path.home() / ".netrc").exists()


def _has_liger() -> bool:
    return torch.cuda.is_available() and importlib.util.find_spec("liger_kernel") is not None
