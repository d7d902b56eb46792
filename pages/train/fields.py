"""The fields of a training form, drawn from `SftSpec`: its types decide the widget, its descriptions are the help.

Checks nothing: `engine.training.specs` says in a sentence what cannot be.
"""

import typing
from typing import Any

import streamlit as st

from engine.training.specs import SftSpec
from pages.shared.drafts import Form
from pages.shared.i18n import t

_STEPS = {"alpha": 1.0, "epochs": 1.0, "learning_rate": 1e-4}


def defaults() -> dict[str, Any]:
    """What each field holds before anybody touched it, in the type that its widget wants."""
    values = {}
    for name, field in SftSpec.model_fields.items():
        value: Any = None if field.is_required() else field.default
        values[name] = float(value) if field.annotation is float else value
    return values


def groups() -> dict[str, list[str]]:
    """The settings most people never touch, by what they are about."""
    return {
        t("Adapter"): ["rank", "alpha", "dropout", "target_modules"],
        t("Optimisation"): [
            "learning_rate",
            "schedule",
            "warmup",
            "weight_decay",
            "batch_size",
            "grad_accum",
            "packing",
            "seed",
        ],
        t("Data"): ["max_length", "overlength", "eval_split", "completion_only"],
        t("Checkpoints and evaluation"): ["save_steps", "save_total_limit", "eval_steps", "log_steps", "report_to"],
        t("Precision and memory"): ["bf16", "fp16", "gradient_checkpointing"],
    }


def setting(form: Form, name: str) -> None:
    """One field's widget."""
    field = SftSpec.model_fields[name]
    common: dict[str, Any] = {
        "label": _label(name),
        "key": form.key(name),
        "help": t(field.description or ""),
    }
    if field.annotation is bool:
        st.toggle(wrap=True, **common)
    elif field.annotation == bool | None:
        words = {True: t("on"), False: t("off")}
        st.selectbox(
            options=list(words), format_func=words.__getitem__, index=None, placeholder=t("automatic"), **common
        )
    elif typing.get_origin(field.annotation) is typing.Literal:
        st.selectbox(options=typing.get_args(field.annotation), format_func=_choice, **common)
    elif field.annotation is float:
        st.number_input(step=_STEPS.get(name, 0.01), format="%g", **common)
    elif field.annotation is int:
        st.number_input(step=1, **common)
    else:
        st.number_input(value=None, step=1, placeholder=t("by epochs"), **common)


def _label(name: str) -> str:
    return {
        "rank": t("Rank"),
        "alpha": t("Alpha"),
        "dropout": t("Dropout"),
        "target_modules": t("Layers"),
        "learning_rate": t("Learning rate"),
        "schedule": t("Schedule"),
        "warmup": t("Warm-up"),
        "weight_decay": t("Weight decay"),
        "batch_size": t("Batch size"),
        "grad_accum": t("Gradient accumulation"),
        "seed": t("Seed"),
        "epochs": t("Epochs"),
        "max_steps": t("Max steps"),
        "max_length": t("Max length"),
        "overlength": t("Longer conversations"),
        "eval_split": t("Evaluation share"),
        "completion_only": t("Learn the replies only"),
        "packing": t("Packing"),
        "save_steps": t("Save every n steps"),
        "save_total_limit": t("Checkpoints kept"),
        "eval_steps": t("Evaluate every n steps"),
        "log_steps": t("Log every n steps"),
        "report_to": t("Report to"),
        "bf16": "bf16",
        "fp16": "fp16",
        "gradient_checkpointing": t("Gradient checkpointing"),
    }[name]


def _choice(value: str) -> str:
    words = {
        "all-linear": t("all linear layers"),
        "attention": t("attention"),
        "mlp": t("MLP"),
        "cosine": t("cosine"),
        "linear": t("linear"),
        "constant": t("constant"),
        "constant_with_warmup": t("constant after the warm-up"),
        "skip": t("leave out"),
        "truncate": t("cut at the end"),
        "none": t("none"),
    }
    return words.get(value, value)
