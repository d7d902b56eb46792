"""What judges replies in online learning: reward adapters, rules, classifiers, and weighted sums of them.

A reward is written `NAME`, `NAME:ARGUMENT`, and with `@WEIGHT` at the end counts that much: `json@0.5 length:200`. Whatever is
no rule's name is a reward adapter's. Every function takes prompts and replies and returns a number for each, more for better.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.adapters.store import read_adapter
from engine.errors import BadInput
from engine.models.catalog import fingerprint, local_folder, resolve

Prompt = list[dict[str, str]]
Score = Callable[[list[Prompt], list[str]], list[float]]
_WEIGHT = re.compile(r"(.+)@(-?\d+(?:\.\d+)?)", re.DOTALL)
RULES = {
    "length": "length:CHARACTERS",
    "json": "json",
    "keyword": "keyword:WORD",
    "regex": "regex:PATTERN",
    "classifier": "classifier:MODEL=LABEL",
}
"""The rules, and how each is written."""


@dataclass(frozen=True)
class Reward:
    """One part of a reward, as it was asked for."""

    name: str
    """A rule's or a reward adapter's."""
    argument: str
    weight: float

    @property
    def words(self) -> str:
        """As a person wrote it, the weight aside."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


def parse_reward(words: str) -> Reward:
    """What a person wrote.

    Raises:
        BadInput: a rule is written wrongly, or the weight is 0.
    """
    match = _WEIGHT.fullmatch(words)
    plain, weight = (match[1], float(match[2])) if match else (words, 1.0)
    name, _, argument = plain.partition(":")
    if not weight or not math.isfinite(weight):
        raise BadInput("The weight of the reward {reward} must be a number other than 0.", reward=words)
    if name in RULES:
        _check_rule(name, argument, words)
    return Reward(name, argument, weight)


def reward_adapters(rewards: list[str]) -> list[str]:
    """The adapters among these rewards."""
    return [reward.name for reward in map(parse_reward, rewards) if reward.name not in RULES]


def check_rewards(rewards: list[str], model: str) -> None:
    """Refuse now what would fail later.

    Args:
        rewards: as a person wrote them.
        model: whose replies they judge.

    Raises:
        BadInput: a rule is written wrongly, or an adapter is missing, no reward adapter, or of another model.
    """
    for name in reward_adapters(rewards):
        check_judge(name, model)
    for reward in map(parse_reward, rewards):
        if reward.name == "classifier":
            _check_label(*reward.argument.rsplit("=", 1))


def check_judge(name: str, model: str) -> None:
    """Refuse a reward adapter that cannot judge a model's replies.

    Raises:
        BadInput: it is missing, of another kind, or reads other tokens than the model writes.
    """
    card = read_adapter(name, kind="reward").card
    source = resolve(model)
    if card.base_model != source.name and card.base_fingerprint != fingerprint(source):
        raise BadInput(
            "The reward model “{name}” was trained on {base} and reads other tokens than {model} writes: train one on "
            "{model}, or choose another.",
            name=name,
            base=card.base_model or "another model",
            model=source.name,
        )


def scorer(reward: Reward) -> Score:
    """The function that scores; loads a model where it takes one."""
    if reward.name == "length":
        return partial(_plain, partial(_length, int(reward.argument)))
    if reward.name == "json":
        return partial(_plain, _json)
    if reward.name == "keyword":
        return partial(_plain, partial(_keyword, reward.argument.casefold()))
    if reward.name == "regex":
        return partial(_plain, partial(_regex, re.compile(reward.argument)))
    if reward.name == "classifier":
        return _classifier(*reward.argument.rsplit("=", 1))
    return _reward_model(reward.name)


def weighted(rewards: list[str]) -> Score:
    """The weighted sum of several rewards, as one function."""
    parts = [(reward.weight, scorer(reward)) for reward in map(parse_reward, rewards)]

    def total(prompts: list[Prompt], replies: list[str]) -> list[float]:
        scores = [(weight, score(prompts, replies)) for weight, score in parts]
        return [sum(weight * values[place] for weight, values in scores) for place in range(len(replies))]

    return total


def _plain(judge: Callable[[str], float], prompts: list[Prompt], replies: list[str]) -> list[float]:
    return [judge(reply.strip()) for reply in replies]


def _length(wanted: int, reply: str) -> float:
    """1 at the wanted number of characters, a half at half and at twice as many: never flat, so there is always a way up."""
    return min(len(reply), wanted) / max(len(reply), wanted)


def _json(reply: str) -> float:
    """1 for a JSON object or array, perhaps in a fenced block; a half for one that begins like one."""
    text = re.sub(r"^```(?:json)?\s*|\s*```$", "", reply)
    try:
        return float(isinstance(json.loads(text), dict | list))
    except (ValueError, RecursionError):
        return 0.5 * text.startswith(("{", "["))


def _keyword(word: str, reply: str) -> float:
    return float(word in reply.casefold())


def _regex(pattern: re.Pattern[str], reply: str) -> float:
    return float(pattern.search(reply) is not None)


def _reward_model(name: str) -> Score:
    from engine.models.reward import RewardModel

    model = RewardModel(name)
    return lambda prompts, replies: model.score(list(zip(prompts, replies, strict=True)))


def _classifier(name: str, label: str) -> Score:
    """How likely a text classifier takes the reply to have the label: positive, neutral, negative, or what it knows."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = local_folder(resolve(name))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True).eval()
    place = _labels(name)[label.casefold()]

    def score(prompts: list[Prompt], replies: list[str]) -> list[float]:
        batch = tokenizer(replies, padding=True, truncation=True, max_length=512, return_tensors="pt")
        with torch.inference_mode():
            return model(**batch).logits.softmax(-1)[:, place].tolist()

    return score


def _labels(name: str) -> dict[str, int]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(local_folder(resolve(name), weights=False))
    return {str(label).casefold(): int(place) for place, label in (config.id2label or {}).items()}


def _check_label(name: str, label: str) -> None:
    known = _labels(name)
    if label.casefold() not in known:
        raise BadInput(
            "The classifier {model} has no label “{label}”: choose one of {known}.",
            model=name,
            label=label,
            known=", ".join(known),
        )


def _check_rule(name: str, argument: str, words: str) -> None:
    good = {
        "length": argument.isdecimal() and int(argument) > 0,
        "json": not argument,
        "keyword": bool(argument.strip()),
        "regex": bool(argument) and _compiles(argument),
        "classifier": all(argument.rpartition("=")),
    }[name]
    if not good:
        raise BadInput("The reward {reward} cannot be read: write it as {form}.", reward=words, form=RULES[name])


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
