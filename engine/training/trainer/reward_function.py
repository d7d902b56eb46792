"""A reward in the form that TRL calls: conversations in, numbers out."""

from collections.abc import Callable
from typing import Any

from engine.training.rewards import Score

Conversations = list[list[dict[str, str]]]


def reward_function(name: str, score: Score) -> Callable[..., Any]:
    """The function, called by this name in TRL's logs.

    Args:
        name: as a person wrote it.
        score: what judges.
    """

    def reward(prompts: Conversations, completions: Conversations, **_: Any) -> list[float]:
        return score(prompts, [completion[-1]["content"] for completion in completions])

    reward.__name__ = name
    return reward
