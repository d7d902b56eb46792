"""The fields of a training form, drawn from its spec: its types decide the widget, its descriptions are the help.

Checks nothing: the spec says in a sentence what cannot be.
"""

import typing
from typing import Any

import streamlit as st

from engine.adapters.store import list_adapters
from engine.devices import devices, has_cuda
from engine.jobs.queue import taken
from engine.models.catalog import list_models
from engine.runs import list_runs
from engine.settings import settings
from engine.training.training_spec import TrainingSpec
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

A_ROW = 4
"""Fields side by side."""
LISTS = ("sample_prompts", "reward")
"""Fields that the form has as text, one entry a line."""
_EXAMPLES = {"instance_prompt": "a picture of a zorp robot", "class_prompt": "a picture of a robot"}
"""What a prompt can look like; in the language that picture models know."""
_STEPS = {
    "alpha": 1.0,
    "text_alpha": 1.0,
    "epochs": 1.0,
    "learning_rate": 1e-4,
    "text_learning_rate": 1e-4,
    "snr_gamma": 1.0,
}


def defaults(kind: type[TrainingSpec]) -> dict[str, Any]:
    """What each field holds before anybody touched it, in the type that its widget wants."""
    values = {}
    for name, field in kind.model_fields.items():
        value: Any = None if field.is_required() else field.default
        values[name] = float(value) if field.annotation is float else value
    return {**values, **{name: "" for name in LISTS if name in values}}


def asked(kind: type[TrainingSpec], values: dict[str, Any]) -> dict[str, Any]:
    """The form's values as the spec takes them: lists by line, and no words where nothing was typed."""
    lists = {name: _lines(values[name]) for name in LISTS if name in values}
    texts = {name: values[name] or None for name, field in kind.model_fields.items() if field.annotation == str | None}
    return {**values, **texts, **lists}


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def groups(kind: type[TrainingSpec]) -> dict[str, list[str]]:
    """The settings of a spec that most people never touch, by what they are about."""
    there = {title: [name for name in names if name in kind.model_fields] for title, names in _groups().items()}
    return {title: names for title, names in there.items() if names}


def _groups() -> dict[str, list[str]]:
    return {
        t("Preferences"): [
            "loss_type",
            "beta",
            "label_smoothing",
            "sft_weight",
            "precompute_reference",
            "desirable_weight",
            "undesirable_weight",
            "num_generations",
            "max_new_tokens",
            "temperature",
            "center_rewards",
            "compare",
        ],
        t("Other things of its kind"): ["prior_preservation", "prior_weight", "class_pictures"],
        t("Adapter"): [
            "rank",
            "alpha",
            "dropout",
            "target_modules",
            "stack",
            "train_text_encoder",
            "text_rank",
            "text_alpha",
            "default_weight",
            "trigger_words",
        ],
        t("Pictures"): ["resolution", "buckets", "flip", "mask_rest"],
        t("Optimisation"): [
            "learning_rate",
            "schedule",
            "warmup",
            "weight_decay",
            "max_grad_norm",
            "batch_size",
            "grad_accum",
            "text_learning_rate",
            "optimizer",
            "snr_gamma",
            "noise_offset",
            "seed",
        ],
        t("Data"): ["max_length", "overlength", "eval_split", "completion_only", "batching", "packing"],
        t("Checkpoints and evaluation"): [
            "save_steps",
            "save_total_limit",
            "eval_steps",
            "log_steps",
            "report_to",
            "samples",
            "sample_steps",
            "sample_seed",
            "sample_prompts",
        ],
        t("Precision and memory"): [
            "bf16",
            "fp16",
            "gradient_checkpointing",
            *_on_gpus("quantization", "attention", "liger"),
        ],
        t("Devices and processes"): [
            *(["executor"] if settings().ray_address else []),
            "launcher",
            "nproc",
            *_on_gpus("gpus", "fsdp"),
            "zero",
            "offload",
        ],
        t("Files of your own and several machines"): [
            "deepspeed",
            "accelerate_config",
            "nodes",
            "node_rank",
            "main_address",
            "hostfile",
        ],
    }


def in_rows(form: Form, kind: type[TrainingSpec], names: list[str]) -> None:
    """Fields side by side, a few in a row."""
    for start in range(0, len(names), A_ROW):
        columns = st.columns(A_ROW, vertical_alignment="bottom")
        for column, name in zip(columns, names[start : start + A_ROW], strict=False):
            with column:
                setting(form, name, kind)


def dataset_and_name(form: Form, kind: type[TrainingSpec], datasets: list[str], suffix: str) -> None:
    """What is learnt from, and what the adapter will be called.

    Args:
        form: the form.
        kind: its spec.
        datasets: those there are for it, at least one.
        suffix: ends the name that an adapter gets if nobody names it.
    """
    key = form.key("dataset")
    if st.session_state[key] not in datasets:  # none chosen yet, or deleted since
        st.session_state[key] = datasets[0]
    left, right = st.columns(2)
    left.selectbox(t("Dataset"), datasets, key=key, help=t(kind.model_fields["dataset"].description or ""))
    name = free_name(f"{st.session_state[key]}-{suffix}")
    right.text_input(
        t("Name of the adapter"),
        key=form.key("adapter"),
        placeholder=name,
        max_chars=80,
        help=t("You choose it by this name in Chat. Left empty, it is “{name}”.", name=literal(name)),
    )


def base_model(place: Any, form: Form) -> None:
    """The model that is taught."""
    names = dict.fromkeys([settings().default_model, *(source.name for source in list_models())])
    place.selectbox(
        t("Base model"),
        list(names),
        accept_new_options=True,
        key=form.key("model"),
        help=t("A model of this machine, or type a hub id such as {name}.", name="`Qwen/Qwen3-0.6B`"),
    )


def adapter_choice(
    place: Any, form: Form, kind: type[TrainingSpec], name: str, label: str, none: str, adapters: str = "chat"
) -> None:
    """A choice among the adapters of a kind; one that is gone is no longer chosen."""
    there = [adapter.name for adapter in list_adapters(kind=adapters)]
    if st.session_state[form.key(name)] not in there:
        st.session_state[form.key(name)] = None
    help_ = t(kind.model_fields[name].description or "")
    place.selectbox(label, there, index=None, placeholder=none, key=form.key(name), help=help_)


def free_name(wanted: str) -> str:
    """The name an adapter gets if nobody names it: no adapter has it, and no run is making one of it."""
    base = wanted[:76]
    taken = {path.name for path in settings().lora_store.iterdir()} | {run.status().adapter for run in list_runs()}
    return next(name for name in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if name not in taken)


def _on_gpus(*names: str) -> list[str]:
    """Settings that mean something on GPUs only."""
    return list(names) if has_cuda() else []


def setting(form: Form, name: str, kind: type[TrainingSpec]) -> None:
    """One field's widget."""
    field = kind.model_fields[name]
    common: dict[str, Any] = {
        "label": t("Sample pictures") if name == "samples" and kind.method == "dreambooth" else label(name),
        "key": form.key(name),
        "help": t(field.description or ""),
    }
    if name == "gpus":
        labels = _gpus()
        st.multiselect(options=list(labels), format_func=lambda number: labels.get(number, str(number)), **common)
    elif name in LISTS:
        st.text_area(placeholder=t("one a line"), height=68, **common)
    elif field.annotation in (str, str | None):
        st.text_input(placeholder=_EXAMPLES.get(name) or t("none"), **common)
    elif field.annotation is bool:
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
    elif field.annotation == float | None:
        none = t("off") if field.default is not None else t("automatic")
        st.number_input(value=None, step=_STEPS.get(name, 0.01), format="%g", placeholder=none, **common)
    elif field.annotation is int:
        st.number_input(step=1, **common)
    else:
        by = t("by epochs") if "epochs" in kind.model_fields else t("automatic")
        st.number_input(value=None, step=1, placeholder=by, **common)


def _gpus() -> dict[int, str]:
    """The GPUs by number, with what is free on them and whether a run uses them."""
    used = taken()
    gpus = [device for device in devices() if device.name != "cpu"]
    labels = {}
    for number, gpu in enumerate(gpus):
        free = t("{free} of {all} GiB free", free=f"{gpu.free / 2**30:.0f}", all=f"{gpu.total / 2**30:.0f}")
        busy = f" · {t('a run uses it')}" if gpu.name in used else ""
        labels[number] = f"{number} · {gpu.label} · {free}{busy}"
    return labels


def label(name: str) -> str:
    """What a setting is called; one that the form does not have goes by its name."""
    return {
        "dataset": t("Dataset"),
        "model": t("Base model"),
        "from_adapter": t("Go on from"),
        "executor": t("Executor"),
        "launcher": t("Launcher"),
        "nproc": t("Processes"),
        "gpus": t("GPUs"),
        "zero": t("ZeRO stage"),
        "offload": t("Offload"),
        "fsdp": "FSDP",
        "deepspeed": t("DeepSpeed file"),
        "accelerate_config": t("accelerate file"),
        "nodes": t("Machines"),
        "node_rank": t("This machine's number"),
        "main_address": t("First machine"),
        "hostfile": t("Hostfile"),
        "max_grad_norm": t("Max gradient norm"),
        "batching": t("Batches"),
        "quantization": t("Quantisation"),
        "samples": t("Sample answers"),
        "sample_prompts": t("Sample prompts"),
        "attention": t("Attention"),
        "liger": t("Liger kernels"),
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
        "stack": t("Stack on it"),
        "loss_type": t("Loss"),
        "beta": t("Beta"),
        "label_smoothing": t("Label smoothing"),
        "sft_weight": t("Weight of the SFT loss"),
        "precompute_reference": t("Reference computed first"),
        "desirable_weight": t("Weight of good replies"),
        "undesirable_weight": t("Weight of bad replies"),
        "num_generations": t("Replies a prompt"),
        "max_new_tokens": t("Tokens of a reply"),
        "temperature": t("Temperature"),
        "center_rewards": t("Centring of rewards"),
        "compare": t("Compare afterwards"),
        "judge": t("Judged by"),
        "reward": t("Reward"),
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
        "instance_prompt": t("Prompt that means it"),
        "class_prompt": t("Prompt of its kind"),
        "prior_preservation": t("Prior preservation"),
        "prior_weight": t("Their weight"),
        "class_pictures": t("Pictures of its kind"),
        "trigger_words": t("Trigger words"),
        "default_weight": t("Default weight"),
        "mask_rest": t("Outside of masks"),
        "train_text_encoder": t("Train the text encoder"),
        "text_rank": t("Rank, text"),
        "text_alpha": t("Alpha, text"),
        "resolution": t("Resolution"),
        "buckets": t("Keep shapes"),
        "flip": t("Mirror at random"),
        "repeats": t("Looks at each picture"),
        "text_learning_rate": t("Learning rate, text"),
        "optimizer": t("Optimizer"),
        "snr_gamma": t("Min-SNR gamma"),
        "noise_offset": t("Noise offset"),
        "sample_steps": t("Samples every n steps"),
        "sample_seed": t("Seed of the samples"),
    }.get(name, name)


def _choice(value: Any) -> str:
    words = {
        "all-linear": t("all linear layers"),
        "attention": t("attention"),
        "attention-and-convolutions": t("attention and convolutions"),
        "mlp": t("MLP"),
        "cosine": t("cosine"),
        "linear": t("linear"),
        "constant": t("constant"),
        "constant_with_warmup": t("constant after the warm-up"),
        "skip": t("leave out"),
        "truncate": t("cut at the end"),
        "none": t("none"),
        "by_length": t("of like length"),
        "random": t("at random"),
        "optimizer": t("optimizer"),
        "all": t("optimizer and model"),
        "auto": t("automatic"),
    }
    return words.get(value, str(value))
