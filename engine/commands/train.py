"""`train`: start a training run, in the background or, with `--wait`, in the foreground with a progress bar.

The flags are made from the spec's fields, so that form, flags and spec cannot differ.
"""

import argparse
import types
import typing
from pathlib import Path
from typing import Any

from engine.commands.output import add_command, add_group, say

# the names that scripts for the Hugging Face Trainer use
ALIASES = {
    "dataset": ["--dataset_path"],
    "rank": ["--lora_rank"],
    "alpha": ["--lora_alpha"],
    "dropout": ["--lora_dropout"],
    "batch_size": ["--per_device_train_batch_size"],
    "grad_accum": ["--gradient_accumulation_steps"],
    "epochs": ["--num_train_epochs"],
    "log_steps": ["--logging_steps"],
    "max_length": ["--max_seq_length"],
}


def add(commands) -> None:
    """Add the parsers."""
    group = add_group(commands, "train", "teach a model something")
    sft = add_command(group, "sft", train_sft, "train a LoRA adapter on a dataset of conversations")
    _add_spec_flags(sft)
    sft.add_argument("--preset", type=Path, metavar="FILE", help="settings from a YAML file; flags overrule it")
    sft.add_argument("--wait", action="store_true", help="stay until the run ends, with a progress bar")


def train_sft(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start, and with `--wait` follow."""
    from engine.commands.runs import describe, follow
    from engine.jobs.local import start_sft
    from engine.settings import settings
    from engine.training.presets import load_preset
    from engine.training.specs import SftSpec, parse_spec

    given = {name: value for name, value in vars(arguments).items() if name in SftSpec.model_fields}
    preset = load_preset(arguments.preset) if arguments.preset else {}
    run = start_sft(parse_spec({"model": settings().default_model, **preset, **given}))
    say(f"Run {run.id} is on its way; `python -m engine runs show {run.id}` tells how far it is.")
    return follow(run) if arguments.wait else describe(run)


def _add_spec_flags(parser: argparse.ArgumentParser) -> None:
    from engine.training.specs import SftSpec

    for name, field in SftSpec.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        names = [*dict.fromkeys([flag, f"--{name}", *ALIASES.get(name, [])])]
        default = "" if field.is_required() or field.default is None else f" (default: {field.default})"
        help_ = ((field.description or "") + default).replace("%", "%%")
        kind = _plain_type(field.annotation)
        common: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": help_}
        if kind is bool:
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, **common)
        elif typing.get_origin(kind) is typing.Literal:
            parser.add_argument(*names, choices=typing.get_args(kind), **common)
        else:
            parser.add_argument(*names, type=kind, required=field.is_required(), metavar=name.upper(), **common)


def _plain_type(annotation: Any) -> Any:
    """`int` of `int | None`."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    return annotation
