"""Direct preference optimisation (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290): chosen over rejected replies.

Reads top to bottom; start it with `python -m engine rlhf dpo --dataset NAME --adapter NAME --wait`. The reference is the
policy that the run starts from: the base with the fresh adapter switched off, or a frozen copy of the adapter that is
continued. There is one base in memory either way. By default the chosen replies are also learnt as they are, with a weight of
0.2, as Llama 3 does (https://arxiv.org/abs/2407.21783): DPO alone lets them become less likely as long as the others fall faster.
"""

from engine.models.loader import load_tokenizer
from engine.runs import Run
from engine.training.preference_data import freeze, pairs
from engine.training.rlhf_specs import DpoSpec

METRICS = {
    "rewards/chosen": "rewards_chosen",
    "rewards/rejected": "rewards_rejected",
    "rewards/margins": "margin",
    "rewards/accuracies": "accuracy",
    "logps/chosen": "logps_chosen",
    "logps/rejected": "logps_rejected",
    "entropy": "entropy",
}
"""What TRL logs, and what it is called in events."""


def train_dpo(spec: DpoSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.
    """
    from trl.trainer.dpo_config import DPOConfig

    from engine.training.trainer.adapter import load_trainable, preference_card, publish_trained
    from engine.training.trainer.arguments import make_arguments
    from engine.training.trainer.callback import RunCallback, last_evaluation, train
    from engine.training.trainer.drift import PolicySamples
    from engine.training.trainer.reference import DpoTrainer

    # data: frozen in the run directory
    tokenizer = load_tokenizer(spec.model)
    data = freeze(spec, run)
    train_set, eval_set = pairs(data.train), pairs(data.evaluation)

    # model: the base frozen, the adapter fresh or a trainable copy of an existing one
    args = make_arguments(  # first: it finds the other processes
        DPOConfig,
        spec,
        run,
        eval_set is not None,
        max_length=spec.max_length,
        beta=spec.beta,
        loss_type=[spec.loss_type, "sft"] if spec.sft_weight else [spec.loss_type],
        loss_weights=[1.0, spec.sft_weight] if spec.sft_weight else None,
        label_smoothing=spec.label_smoothing,
        precompute_ref_log_probs=spec.precompute_reference,
    )
    model, lora = load_trainable(spec, args)

    # trainer
    to_run = RunCallback(run, spec.log_steps, spec.save_total_limit, METRICS)
    samples = PolicySamples(run, data.prompts(spec), tokenizer)
    trainer = DpoTrainer(
        model=model,
        args=args,
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[to_run, samples],
    )
    to_run.trainer = samples.trainer = trainer
    if not train(trainer, run):
        return

    # the adapter, and where it comes from
    card = preference_card(spec, run, data, last_evaluation(trainer), METRICS)
    publish_trained(trainer, spec, run, card)
