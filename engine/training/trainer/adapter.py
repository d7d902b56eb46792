"""The adapter that is trained: fresh, a copy of one there is, or a fresh one on top of it; and its way into the store."""

from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import Trainer

from engine.adapters.store import WEIGHTS, Card, publish, read_adapter
from engine.data import registry
from engine.models.catalog import fingerprint, resolve
from engine.models.loader import load_model
from engine.models.stacking import stack
from engine.runs import Run
from engine.training.lora_spec import LoraSpec
from engine.training.pinning import pinned
from engine.training.preference_data import Frozen
from engine.training.rlhf_specs import RlhfSpec
from engine.training.trainer.attention import use_cpu_attention
from engine.training.trainer.placement import training_placement

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]


def load_trainable(spec: LoraSpec, args: Any, scores: bool = False) -> tuple[Any, LoraConfig | None]:
    """The base frozen, and the fresh adapter that the trainer is to put in; none where the model has a copy of one already.

    Args:
        spec: what to do.
        args: the training arguments, which know this process's device.
        scores: a model that gives numbers instead of words.
    """
    torch.manual_seed(spec.seed)  # LoRA's A is random, and so is a new head
    model: Any = load_model(spec.model, training_placement(spec, args), spec.attention, scores)
    if spec.attention == "auto" and args.bf16:
        use_cpu_attention(model)
    fresh = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,  # pyright: ignore[reportArgumentType]  (a fraction works as well)
        lora_dropout=spec.dropout,
        target_modules=_targets(spec, model),
        task_type="SEQ_CLS" if scores else "CAUSAL_LM",  # with SEQ_CLS the new head is trained and saved too
    )
    if not spec.from_adapter:
        return model, fresh
    path = read_adapter(spec.from_adapter, kind="chat").path
    if spec.stack:
        merged: Any = _with_adapter(model, path, fresh) if scores else PeftModel.from_pretrained(model, str(path))
        return merged.merge_and_unload(), fresh
    if scores:
        return _with_adapter(model, path, fresh), None
    return PeftModel.from_pretrained(model, str(path), is_trainable=True), None


def publish_trained(trainer: Trainer, spec: LoraSpec, run: Run, card: Card) -> None:
    """Save what was trained (all processes must call it) and put it into the store, with where it comes from."""
    source = resolve(spec.model)
    trained: Any = trainer.accelerator.unwrap_model(trainer.model)
    trained.peft_config["default"].base_model_name_or_path = source.name
    folder = run.path / "adapter"
    trainer.save_model(str(folder))  # gathers what is shared out between processes
    if not trainer.is_world_process_zero():
        return
    if spec.stack and spec.from_adapter:
        stack(read_adapter(spec.from_adapter).path, folder)
    origin = {"base_model": source.name, "base_fingerprint": fingerprint(source), "run": run.id}
    publish(
        spec.adapter, folder, card.model_copy(update={**origin, "dataset": spec.dataset, "spec": spec.model_dump()})
    )


def preference_card(
    spec: RlhfSpec, run: Run, data: Frozen, measured: dict[str, float], metrics: dict[str, str], kind: str = "chat"
) -> Card:
    """The card of what learnt from preferences, ready for `publish_trained`.

    Args:
        spec: what was done.
        run: by which run.
        data: what it learnt from.
        measured: what `last_evaluation` gave.
        metrics: names of ours for the trainer's, as `RunCallback` takes them.
        kind: of the adapter.
    """
    figures = {f"eval_{ours}": measured.get(f"eval_{theirs}") for theirs, ours in {"loss": "loss", **metrics}.items()}
    return Card(
        kind=kind,
        method=run.kind,
        dataset_hash=registry.card(pinned(spec.dataset, run)).content_sha256,
        metrics={"loss": run.status().loss, **{name: value for name, value in figures.items() if value is not None}},
        feedback=data.feedback,  # pyright: ignore[reportCallIssue]  (cards take more)
    )


def _with_adapter(model: Any, path: Any, fresh: LoraConfig) -> Any:
    """A model of another head with a chat adapter's weights in its layers."""
    config: Any = LoraConfig.from_pretrained(str(path))
    config.task_type, config.modules_to_save = fresh.task_type, None
    wrapped = get_peft_model(model, config)
    set_peft_model_state_dict(wrapped, load_file(path / WEIGHTS))
    return wrapped


def _targets(spec: LoraSpec, model: Any) -> str | list[str]:
    if spec.target_modules == "all-linear":
        return "all-linear"
    wanted = ATTENTION if spec.target_modules == "attention" else MLP
    return [name for name in wanted if any(path.endswith(name) for path, _ in model.named_modules())] or "all-linear"
