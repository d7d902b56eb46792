"""Flags made from a pydantic model's fields, so that form, flags and spec cannot differ; and flags back into words."""

import argparse
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

ALIASES = {
    "adapter_b": ["--compare"],
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
"""Other names: those that scripts for the Hugging Face Trainer use, and plainer ones."""


def add_flags(parser: argparse.ArgumentParser, model: type[BaseModel]) -> None:
    """Add one flag for each field, with its description and default; a flag that is not given leaves no trace.

    None is required: the model says in a sentence what is missing.
    """
    for name, field in model.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        names = [*dict.fromkeys([flag, f"--{name}", *ALIASES.get(name, [])])]
        default = "" if field.is_required() or field.default in (None, []) else f" (default: {field.default})"
        help_ = ((field.description or "") + default).replace("%", "%%")
        kind = _plain_type(field.annotation)
        common: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": help_}
        if typing.get_origin(kind) is list:
            kind = typing.get_args(kind)[0]
            common["nargs"] = "+"
        if kind is bool:
            parser.add_argument(*names, action=argparse.BooleanOptionalAction, **common)
        elif typing.get_origin(kind) is typing.Literal:
            choices = typing.get_args(kind)
            parser.add_argument(*names, type=type(choices[0]), choices=choices, **common)
        else:
            parser.add_argument(*names, type=kind, metavar=name.upper(), **common)


def given(arguments: argparse.Namespace, model: type[BaseModel]) -> Mapping[str, Any]:
    """The fields that flags were given for."""
    return {name: value for name, value in vars(arguments).items() if name in model.model_fields}


def _plain_type(annotation: Any) -> Any:
    """`int` of `int | None`."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    return annotation
