"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306): good and bad replies, no pairs.

Reads top to bottom; start it with `python -m engine rlhf kto --dataset NAME --adapter NAME --wait`. The reference is the
policy that the run starts from: the base with the fresh adapter switched off, or a frozen copy of the adapter that is
continued. There is one base in memory either way.
"""

from engine.models.loader import load_tokenizer
from engine.runs import Run
from engine.training.preference_data import freeze, judged
from engine.training.rlhf_specs import KtoSpec

METRICS = {
    "rewards/chosen": "rewards_chosen",
    "rewards/rejected": "rewards_rejected",
    "rewards/margins": "margin",
    "logps/chosen": "logps_chosen",
    "logps/rejected": "logps_rejected",
    "entropy": "entropy",
}
"""What TRL logs, and what it is called in events."""


def train_kto(spec: KtoSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.
    """
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    from engine.training.trainer.adapter import load_trainable, preference_card, publish_trained
    from engine.training.trainer.arguments import make_arguments
    from engine.training.trainer.callback import RunCallback, last_evaluation, train
    from engine.training.trainer.drift import PolicySamples
    from engine.training.trainer.on_cpu import speed_up

    # data: frozen in the run directory
    tokenizer = load_tokenizer(spec.model)
    data = freeze(spec, run)
    train_set, eval_set = judged(data.train), judged(data.evaluation)

    # model: the base frozen, the adapter fresh or a trainable copy of an existing one
    args = make_arguments(  # first: it finds the other processes
        KTOConfig,
        spec,
        run,
        eval_set is not None,
        max_length=spec.max_length,
        beta=spec.beta,
        loss_type=spec.loss_type,
        desirable_weight=spec.desirable_weight,
        undesirable_weight=spec.undesirable_weight,
    )
    model, lora = load_trainable(spec, args)

    # trainer
    to_run = RunCallback(run, spec.log_steps, spec.save_total_limit, METRICS)
    samples = PolicySamples(run, data.prompts(spec), tokenizer)
    trainer = KTOTrainer(
        model=model,
        args=args,
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[to_run, samples],
    )
    to_run.trainer = samples.trainer = trainer
    speed_up(trainer)
    if not train(trainer, run):
        return

    # the adapter, and where it comes from
    card = preference_card(spec, run, data, last_evaluation(trainer), METRICS)
    publish_trained(trainer, spec, run, card)
