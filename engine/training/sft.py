"""Supervised fine-tuning of a LoRA adapter: conversations in, an adapter in lora_store/ out.

Reads top to bottom; start it with `python -m engine train sft --dataset NAME --adapter NAME --wait`. With several processes
each of them runs this file; the launcher has set what they need to find each other.
"""

from engine.adapters.store import Card
from engine.data.prepare import prepare
from engine.data.prepared import Prepared, load
from engine.models.catalog import resolve
from engine.models.loader import load_tokenizer
from engine.runs import Run
from engine.training.pinning import pinned
from engine.training.specs import SftSpec


def train_sft(spec: SftSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.
    """
    from trl.trainer.sft_config import SFTConfig

    from engine.training.rows import refuse_unknown_tokens
    from engine.training.trainer.adapter import load_trainable, publish_trained
    from engine.training.trainer.arguments import make_arguments
    from engine.training.trainer.batching import SftTrainer
    from engine.training.trainer.callback import RunCallback, last_evaluation, train
    from engine.training.trainer.samples import SamplesCallback, choose_prompts

    # data: tokenised once, kept on disk, read through memory mapping
    tokenizer = load_tokenizer(spec.model)
    data = prepare_data(spec, run)
    train_set, eval_set = load(data.path)

    # model: the base frozen, the adapter fresh or a trainable copy of an existing one
    own = {"max_length": spec.max_length, "packing": spec.packing}
    args = make_arguments(SFTConfig, spec, run, eval_set is not None, **own)  # first: it finds the other processes
    model, lora = load_trainable(spec, args)
    refuse_unknown_tokens(train_set, model.config.get_text_config().vocab_size)

    # trainer: TRL with our labels and our batches
    to_run = RunCallback(run, spec.log_steps, spec.save_total_limit)
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
    finished = train(trainer, run)

    # the adapter, and where it comes from
    if not finished:
        return
    measured = last_evaluation(trainer)
    metrics = {"loss": run.status().loss, **({"eval_loss": measured["eval_loss"]} if measured else {})}
    publish_trained(trainer, spec, run, Card(method="sft", dataset_hash=data.dataset_sha256, metrics=metrics))


def prepare_data(spec: SftSpec, run: Run) -> Prepared:
    """The run's dataset, tokenised; made only if there is none of these options yet. Needs no torch."""
    return prepare(
        pinned(spec.dataset, run),
        load_tokenizer(spec.model),
        resolve(spec.model).name,
        spec.preparation,
    )
