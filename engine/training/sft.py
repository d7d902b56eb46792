"""Supervised fine-tuning of a LoRA adapter: conversations in, an adapter in lora_store/ out.

Reads top to bottom; start it with `python -m engine train sft --dataset NAME --adapter NAME --wait`. With several processes
each of them runs this file; the launcher has set what they need to find each other.
"""

from typing import Any

from engine.adapters.store import Card, publish, read_adapter
from engine.data import registry
from engine.data.prepare import prepare
from engine.data.prepared import Prepared, load
from engine.files import write_text
from engine.models.catalog import fingerprint, resolve
from engine.models.loader import load_model, load_tokenizer
from engine.runs import Run
from engine.training.checkpoints import newest_complete, passed_over, remove_incomplete
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

    from engine.training.rows import refuse_unknown_tokens
    from engine.training.trainer.arguments import training_arguments
    from engine.training.trainer.batching import SftTrainer
    from engine.training.trainer.callback import RunCallback
    from engine.training.trainer.placement import training_placement
    from engine.training.trainer.samples import SamplesCallback, choose_prompts

    # data: tokenised once, kept on disk, read through memory mapping
    source = resolve(spec.model)
    tokenizer = load_tokenizer(spec.model)
    data = prepare_data(spec, run)
    train_set, eval_set = load(data.path)

    # model: the base frozen, the adapter fresh or a trainable copy of an existing one
    args = training_arguments(spec, run, evaluates=eval_set is not None)  # first: it finds the other processes
    torch.manual_seed(spec.seed)  # LoRA's A is random
    model: Any = load_model(spec.model, training_placement(spec, args), spec.attention)
    refuse_unknown_tokens(train_set, model.config.get_text_config().vocab_size)
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

    # trainer: TRL with our labels and our batches
    to_run = RunCallback(run, spec.log_steps, spec.save_total_limit, passed_over(run.checkpoints))
    samples = SamplesCallback(run, choose_prompts(spec, pinned(spec.dataset, run)), tokenizer)
    trainer = SftTrainer(
        model=model,
        args=args,
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[to_run, samples],
        by_length=spec.batching == "by_length",
    )
    to_run.trainer = samples.trainer = trainer
    with args.main_process_first():
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
    trainer.save_model(str(run.path / "adapter"))  # gathers what is shared out between processes
    if not trainer.is_world_process_zero():
        return
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


def prepare_data(spec: SftSpec, run: Run) -> Prepared:
    """The run's dataset, tokenised; made only if there is none of these options yet. Needs no torch."""
    return prepare(
        pinned(spec.dataset, run),
        load_tokenizer(spec.model),
        resolve(spec.model).name,
        spec.preparation,
    )


def pinned(dataset: str, run: Run) -> str:
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
