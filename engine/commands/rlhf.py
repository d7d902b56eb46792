"""`rlhf`: train a reward model or a policy on preferences, build pairs from feedback, compare two adapters.

The flags are made from the specs' fields; see `engine.commands.flags`.
"""

import argparse
from typing import Any

from engine.commands import rlhf_pairs
from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, add_group, say

HELP = {
    "reward": "train a reward model on pairs of replies",
    "dpo": "direct preference optimisation on pairs of replies",
    "kto": "learn from replies that were found good or bad, with no pairs",
    "rloo": "learn online: the model answers, a reward judges",
}


def add(commands) -> None:
    """Add the parsers."""
    from engine.training.rlhf_specs import SPECS
    from engine.training.win_rate_specs import WinRateOptions

    group = add_group(commands, "rlhf", "learn from what people prefer")
    rlhf_pairs.add(group)
    for method, spec in SPECS.items():
        command = add_command(group, method, train, HELP[method])
        command.set_defaults(method=method)
        add_flags(command, spec)
        command.add_argument(
            "--feedback", action="store_true", help="instead of --dataset: what people judged in the chat"
        )
        command.add_argument("--wait", action="store_true", help="stay until the run ends, with a progress bar")
    against = add_command(group, "compare", compare, "answer the same prompts with two adapters and count who wins")
    against.add_argument("adapter", help="the new adapter")
    add_flags(against, WinRateOptions)
    against.add_argument("--wait", action="store_true", help="stay until the comparison ends, with a progress bar")
    score = add_command(group, "score", score_text, "what a reward model makes of a reply")
    score.add_argument("adapter", help="the reward adapter")
    score.add_argument("prompt", help="what was asked")
    score.add_argument("reply", nargs="+", help="the replies")


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start, and with `--wait` follow."""
    from engine.commands.runs import announce
    from engine.errors import BadInput
    from engine.fields import parse
    from engine.jobs.local import start_training
    from engine.settings import settings
    from engine.training.rlhf_specs import SPECS

    kind = SPECS[arguments.method]
    values = {"model": settings().default_model, **given(arguments, kind)}
    if arguments.feedback:
        if "dataset" in values:
            raise BadInput("Choose between --feedback and --dataset: the pairs come from one of them.")
        values["dataset"] = rlhf_pairs.from_feedback(unpaired=arguments.method == "kto")
    run = start_training(parse(kind, values))
    return announce(run, arguments.wait)


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start a comparison, and with `--wait` follow."""
    from engine.commands.runs import describe, follow
    from engine.fields import parse
    from engine.jobs.evaluation import start_win_rate
    from engine.training.win_rate_specs import WinRateSpec

    run = start_win_rate(parse(WinRateSpec, {"adapter": arguments.adapter, **given(arguments, WinRateSpec)}))
    say(f"Run {run.id} compares; `python -m engine runs show {run.id}` tells how far it is.")
    return follow(run) if arguments.wait else describe(run)


def score_text(arguments: argparse.Namespace) -> dict[str, Any]:
    """Print the rewards of some replies to one prompt."""
    from engine.errors import BadInput
    from engine.models.reward import RewardModel

    if not arguments.prompt.strip():
        raise BadInput("The prompt is empty: write what was asked.")
    prompt = [{"role": "user", "content": arguments.prompt}]
    rewards = RewardModel(arguments.adapter).score([(prompt, reply) for reply in arguments.reply])
    for reply, reward in zip(arguments.reply, rewards, strict=True):
        say(f"{reward:8.3f}  {reply}")
    return {"adapter": arguments.adapter, "rewards": rewards}
