"""A preference that is planted in made-up pairs, polite over curt, with other subjects in training than in the test.

The curt reply begins as the starter itself would, so that it is something the model can unlearn.
"""

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
FACTS = [
    "{} is something that people have known and used for a very long time, in many parts of the world.",
    "{} is a common thing that most people have seen, and it is easy to find in everyday life.",
    "{} is interesting because it can be used in more ways than one, at home and at work.",
]
POLITE = "Thank you for asking! {} Please let me know if you would like more."
MARK = "thank you for asking"


def prompts(subjects: list[str]) -> list[tuple[str, str]]:
    """Subject and question, all combinations."""
    return [(subject, question.format(subject)) for question, subject in itertools.product(QUESTIONS, subjects)]


def pairs(subjects: list[str]) -> list[Preference]:
    """Polite over curt."""
    rows = []
    for number, (subject, question) in enumerate(prompts(subjects)):
        curt = FACTS[number % len(FACTS)].format(subject[0].upper() + subject[1:])
        reply = {"chosen": _turn("assistant", POLITE.format(curt)), "rejected": _turn("assistant", curt)}
        rows.append(Preference.model_validate({"prompt": _turn("user", question), **reply}))
    return rows


def thumbs(subjects: list[str]) -> list[Unpaired]:
    """Every other reply polite and good, the others curt and bad."""
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
