"""What a caption of an emoji may say: its name or another word for it, perhaps a tag, and the style; in English or Chinese.

The starter picture model learns from these, so it understands what is said here and nothing else.
"""

import random
from collections import Counter
from collections.abc import Sequence

from engine.diffusion.emoji import STYLES, Noun, Style

CHINESE_SHARE = 0.3
SYNONYM_NOUNS = 3
"""A tag that at most this many nouns have is as good as a name: “kitten” for the cat's face and the cat."""
TEMPLATES = ("{name}, {style}",) * 6 + ("a {name}, {style} style", "a picture of a {name}, {style}", "{style} {name}")


class Captions:
    """Captions for a fixed list of nouns."""

    def __init__(self, nouns: Sequence[Noun]):
        english = Counter(tag for noun in nouns for tag in noun.tags)
        chinese = Counter(tag for noun in nouns for tag in noun.chinese_tags)
        self._synonyms = [[tag for tag in noun.tags if english[tag] <= SYNONYM_NOUNS] for noun in nouns]
        self._chinese_synonyms = [[tag for tag in noun.chinese_tags if chinese[tag] <= SYNONYM_NOUNS] for noun in nouns]
        self._nouns = nouns

    def draw(self, noun: int, style: int, chance: random.Random) -> str:
        """One caption of a picture, chosen by `chance`."""
        if chance.random() < CHINESE_SHARE:
            name = self._name(
                self._nouns[noun].chinese, self._nouns[noun].chinese_tags, self._chinese_synonyms[noun], chance
            )
            return f"{name}, {STYLES[style].chinese}"
        name = self._name(self._nouns[noun].english, self._nouns[noun].tags, self._synonyms[noun], chance)
        return chance.choice(TEMPLATES).format(name=name, style=STYLES[style].name)

    def _name(self, name: str, tags: list[str], synonyms: list[str], chance: random.Random) -> str:
        kind = chance.random()
        if kind < 0.15 and synonyms:
            return chance.choice(synonyms)
        if kind < 0.35 and tags:
            return f"{name}, {chance.choice(tags)}"
        return name


def plain(name: str, style: Style) -> str:
    """The shortest caption: what samples and scores ask for."""
    return f"{name}, {style.name}"
