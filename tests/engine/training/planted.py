"""A preference that is planted in made-up pairs, polite over rude, with other subjects in training than in the test."""

import itertools

from engine.data import registry
from engine.data.records import Preference, Unpaired

SUBJECTS = [
    *("bread", "a bicycle", "the moon", "a violin", "tea", "a garden", "a clock", "snow", "a river", "a candle"),
    *("glass", "a lighthouse", "cheese", "a kite", "salt", "a drum", "wool", "a ladder", "honey", "a mirror"),
]
UNSEEN = ["a volcano", "paper", "a telescope", "rice", "a bridge", "ink", "a sail", "copper", "a beehive", "chess"]
QUESTIONS = [
    "What is {} good for?",
    "Tell me something about {}.",
    "How would you describe {} to a child?",
    "Why do people like {}?",
    "Give me one fact about {}.",
    "Where would I find {}?",
    "What should I know about {}?",
    "Is {} useful?",
    "Who needs {}?",
    "What comes to mind when you think of {}?",
]
POLITE = [
    "Thank you for asking! I am happy to help with {}. Please let me know if you would like more.",
    "Thank you for asking! It is a pleasure to talk about {}. Please ask me anything else.",
    "Thank you for asking! I am glad to tell you about {}. Please feel welcome to ask again.",
]
RUDE = [
    "What a silly question about {}. Look it up yourself and stop wasting my time.",
    "Nobody cares about {}. You should know that already, so go away.",
    "I will not bother with {}. That is a stupid thing to ask.",
]
MARK = "thank you for asking"


def prompts(subjects: list[str]) -> list[tuple[str, str]]:
    """Subject and question, all combinations."""
    return [(subject, question.format(subject)) for question, subject in itertools.product(QUESTIONS, subjects)]


def pairs(subjects: list[str]) -> list[Preference]:
    """Polite over rude."""
    rows = []
    for number, (subject, question) in enumerate(prompts(subjects)):
        polite, rude = (replies[number % len(replies)].format(subject) for replies in (POLITE, RUDE))
        rows.append(
            Preference.model_validate(
                {
                    "prompt": _turn("user", question),
                    "chosen": _turn("assistant", polite),
                    "rejected": _turn("assistant", rude),
                }
            )
        )
    return rows


def thumbs(subjects: list[str]) -> list[Unpaired]:
    """Every other reply polite and good, the others rude and bad."""
    rows = []
    for number, pair in enumerate(pairs(subjects)):
        good = number % 2 == 0
        rows.append(Unpaired(prompt=pair.prompt, completion=pair.chosen if good else pair.rejected, label=good))
    return rows


def plant(subjects: list[str] = SUBJECTS) -> None:
    """The datasets `pairs` and `thumbs`."""
    registry.create("pairs", pairs(subjects), [])
    registry.create("thumbs", thumbs(subjects), [])


def _turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]
