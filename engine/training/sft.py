"""Supervised fine-tuning of a LoRA adapter: conversations in, an adapter in lora_store/ out.

Reads top to bottom; start it with `python -m engine train sft --dataset NAME --adapter NAME --wait`.
"""

from typing import Any

from engine.adapters.store import Card, publish, read_adapter
from engine.data import registry
from engine.data.prepare import prepare
from engine.data.prepared import Options, load
from engine.files import write_text
from engine.models.catalog import fingerprint, resolve
from engine.models.loader import Placement, load_model, load_tokenizer
from engine.runs import Run
from engine.training.checkpoints import newest_complete, remove_incomplete
from engine.training.specs import SftSpec

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]


def train_sft(spec: SftSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.
    """
    import torch
    from peft import LoraConfig, PeftModel
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from engine.training.callback import RunCallback

    # data: tokenised once, kept on disk, read through memory mapping
    source = resolve(spec.model)
    tokenizer = load_tokenizer(spec.model)
    data = prepare(
        _pinned(spec.dataset, run),
        tokenizer,
        source.name,
        Options(
            max_length=spec.max_length,
            overlength=spec.overlength,
            split=spec.eval_split,
            seed=spec.seed,
            completion_only=spec.completion_only,
        ),
    )
    train_set, eval_set = load(data.path)

    # model: the base frozen, the adapter fresh or a trainable copy of an existing one
    torch.manual_seed(spec.seed)  # LoRA's A is random
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    placement = Placement.from_settings()
    model: Any = load_model(spec.model, Placement(placement.dtype, placement.quantization, _training_device()))
    if spec.from_adapter:
        model = PeftModel.from_pretrained(model, str(read_adapter(spec.from_adapter, "chat").path), is_trainable=True)
        lora = None
    else:
        lora = LoraConfig(
            r=spec.rank,
            lora_alpha=spec.alpha,  # pyright: ignore[reportArgumentType]  (a fraction works as well)
            lora_dropout=spec.dropout,
            target_modules=_targets(spec, model),
            task_type="CAUSAL_LM",
        )

    # trainer: TRL with our labels; every step logged so that each step's own loss is known
    has_bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
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
            max_length=spec.max_length,
            packing=spec.packing,
            bf16=spec.bf16 if spec.bf16 is not None else has_bf16 and not spec.fp16,
            fp16=spec.fp16 if spec.fp16 is not None else torch.cuda.is_available() and not has_bf16,
            gradient_checkpointing=spec.gradient_checkpointing,
            logging_steps=1,
            logging_nan_inf_filter=False,  # a loss that is not a number must be seen
            eval_strategy="steps" if eval_set else "no",
            eval_steps=spec.eval_steps,
            save_steps=spec.save_steps,
            save_total_limit=None,  # RunCallback removes old ones, after the new one is sealed
            seed=spec.seed,
            use_cpu=not gpu,  # without it accelerate counts one process on every rank
            report_to=spec.report_to,
            disable_tqdm=True,
        ),
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[RunCallback(run, spec.log_steps, spec.save_total_limit)],
    )
    remove_incomplete(run.checkpoints)
    resume_from = newest_complete(run.checkpoints)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)

    # the adapter, and where it comes from
    if trainer.state.global_step < trainer.state.max_steps and run.stop_requested():
        return
    measured = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    if eval_set and not (measured and measured[-1]["step"] == trainer.state.global_step):
        measured = [trainer.evaluate()]
    trained: Any = trainer.accelerator.unwrap_model(trainer.model)
    trained.peft_config["default"].base_model_name_or_path = source.name
    trained.save_pretrained(run.path / "adapter")
    card = Card(
        base_model=source.name,
        base_fingerprint=fingerprint(source),
        method="sft",
        run=run.id,
        dataset=spec.dataset,
        dataset_hash=data.dataset_sha256,
        spec=spec.model_dump(),
        metrics={"loss": run.status().loss, **({"eval_loss": measured[-1]["eval_loss"]} if measured else {})},
    )
    publish(spec.adapter, run.path / "adapter", card)


def _pinned(dataset: str, run: Run) -> str:
    """The version of the dataset that the run began with: a resume must not meet rows that were changed meanwhile."""
    path = run.path / "dataset.txt"
    if not path.exists():
        write_text(path, registry.card(dataset).reference)
    return path.read_text(encoding="utf-8")


def _targets(spec: SftSpec, model: Any) -> str | list[str]:
    if spec.target_modules == "all-linear":
        return "all-linear"
    wanted = ATTENTION if spec.target_modules == "attention" else MLP
    return [name for name in wanted if any(path.endswith(name) for path, _ in model.named_modules())] or "all-linear"


def _training_device() -> str:
    """One process trains on one device; several processes have an issue of their own."""
    import torch

    if torch.cuda.is_available():
        return f"cuda:{torch.cuda.current_device()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"
