"""Reward model: pairs of replies in, an adapter out that gives a reply a number, higher for what people prefer.

Reads top to bottom; start it with `python -m engine rlhf reward --dataset NAME --adapter NAME --wait`. The loss is that of
Bradley and Terry, as Ouyang et al. 2022 use it (https://arxiv.org/abs/2203.02155).
"""

from engine.models.loader import load_tokenizer
from engine.runs import Run
from engine.training.calibration import measure
from engine.training.preference_data import freeze, pairs
from engine.training.rlhf_specs import RewardSpec

METRICS = {"mean_reward": "reward", "margin": "margin", "accuracy": "accuracy"}
"""What TRL logs, and what it is called in events."""


def train_reward(spec: RewardSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.
    """
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    from engine.training.trainer.adapter import load_trainable, preference_card, publish_trained
    from engine.training.trainer.arguments import make_arguments
    from engine.training.trainer.callback import RunCallback, last_evaluation, train

    # data: frozen in the run directory
    tokenizer = load_tokenizer(spec.model)
    data = freeze(spec, run)
    train_set, eval_set = pairs(data.train), pairs(data.evaluation)

    # model: the base with a head of one number, and the adapter
    own = {"max_length": spec.max_length, "center_rewards_coefficient": spec.center_rewards or None}
    args = make_arguments(RewardConfig, spec, run, eval_set is not None, **own)  # first: it finds the other processes
    model, lora = load_trainable(spec, args, scores=True)

    # trainer
    to_run = RunCallback(run, spec.log_steps, spec.save_total_limit, METRICS)
    trainer = RewardTrainer(
        model=model,
        args=args,
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[to_run],
    )
    to_run.trainer = trainer
    if not train(trainer, run):
        return

    # the adapter, and where it comes from
    card = preference_card(spec, run, data, last_evaluation(trainer), METRICS, kind="reward")
    publish_trained(trainer, spec, run, card)
    if trainer.is_world_process_zero() and data.evaluation:
        measure(run, spec.adapter, data.evaluation)
