"""REINFORCE leave-one-out (Ahmadian et al. 2024, https://arxiv.org/abs/2402.14740): the model answers, a reward judges.

Reads top to bottom; start it with `python -m engine rlhf rloo --dataset NAME --adapter NAME --reward json --wait`. Each prompt
is answered several times, and what is better than the mean of its siblings becomes likelier. The reference is the policy
that the run starts from, as in `engine.training.dpo`.
"""

from engine.models.loader import load_tokenizer
from engine.runs import Run
from engine.training.preference_data import freeze, prompts
from engine.training.rewards import parse_reward, scorer
from engine.training.rlhf_specs import RlooSpec

METRICS = {
    "reward": "reward",
    "reward_std": "reward_std",
    "kl": "kl",
    "entropy": "entropy",
    "completions/mean_length": "length",
}
"""What TRL logs, and what it is called in events; `kl` is in nats a token."""
MEASURED = 8
"""Prompts kept aside that an evaluation answers: each is answered several times, which takes long."""


def train_rloo(spec: RlooSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.
    """
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    from engine.training.trainer.adapter import load_trainable, preference_card, publish_trained
    from engine.training.trainer.arguments import make_arguments
    from engine.training.trainer.callback import RunCallback, last_evaluation, train
    from engine.training.trainer.on_cpu import speed_up
    from engine.training.trainer.reward_function import reward_function
    from engine.training.trainer.samples import SamplesCallback

    # data: the prompts alone, frozen in the run directory
    tokenizer = load_tokenizer(spec.model)
    data = freeze(spec, run)
    train_set, eval_set = prompts(data.train), prompts(data.evaluation[:MEASURED])

    # model: the base frozen, the adapter fresh or a trainable copy of an existing one
    rewards = [parse_reward(words) for words in spec.reward]
    args = make_arguments(  # first: it finds the other processes
        RLOOConfig,
        spec,
        run,
        eval_set is not None,
        beta=spec.beta,
        num_generations=spec.num_generations,
        max_completion_length=spec.max_new_tokens,
        temperature=spec.temperature,
        reward_weights=[reward.weight for reward in rewards],
    )
    model, lora = load_trainable(spec, args)

    # trainer
    to_run = RunCallback(run, spec.log_steps, spec.save_total_limit, METRICS)
    samples = SamplesCallback(run, data.prompts(spec), tokenizer)
    trainer = RLOOTrainer(
        model=model,
        reward_funcs=[reward_function(reward.words, scorer(reward)) for reward in rewards],
        args=args,
        train_dataset=train_set,
        eval_dataset=eval_set,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[to_run, samples],
    )
    to_run.trainer = samples.trainer = trainer
    if spec.temperature == 1:  # our head knows no other
        speed_up(trainer)
    if not train(trainer, run):
        return

    # the adapter, and where it comes from
    card = preference_card(spec, run, data, last_evaluation(trainer), METRICS)
    publish_trained(trainer, spec, run, card)
