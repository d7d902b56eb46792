"""What a prompt must have whoever wrote it: the trigger words of the chosen LoRAs, within what the text encoder reads."""

import re
from collections.abc import Callable, Sequence

Count = Callable[[str], int]

_NO_END = frozenset(
    ["a", "an", "the", "of", "in", "on", "at", "by", "with", "and", "or", "for", "to", "from", "wearing", "holding"]
)
"""Words that a prompt is not cut behind."""


def split_triggers(words: str) -> list[str]:
    """An adapter's trigger words, as its card has them, one phrase each."""
    phrases = (" ".join(phrase.split()) for phrase in re.split(r"[,，;；\n]", words))
    return list(dict.fromkeys(phrase for phrase in phrases if phrase))


def has_trigger(prompt: str, trigger: str) -> bool:
    """Whether a prompt has the phrase as whole words, in any case."""
    return bool(_places(prompt, trigger))


def missing_triggers(prompt: str, triggers: Sequence[str]) -> list[str]:
    """The phrases that a prompt lacks."""
    return [trigger for trigger in triggers if not has_trigger(prompt, trigger)]


def with_triggers(prompt: str, triggers: Sequence[str]) -> str:
    """The prompt with the phrases it lacks before it, where a text encoder heeds them most."""
    missing = missing_triggers(prompt, triggers)
    return ", ".join([*missing, *([prompt] if prompt.strip() else [])]) if missing else prompt


def bounded(prompt: str, triggers: Sequence[str], count: Count, limit: int) -> str:
    """The prompt with all triggers and at most `limit` tokens: cut behind a comma or a word, never inside a trigger.

    Triggers that would be cut off are put in front. Only if they alone are more than the limit, so is the result.

    Args:
        prompt: as it was written.
        triggers: phrases that stay.
        count: tokens of a text, both ends included.
        limit: how many the text encoder reads.
    """
    triggers = list(dict.fromkeys(triggers))
    for _ in range(len(triggers) + 1):
        prompt = with_triggers(prompt, triggers)
        cut = _cut(prompt, triggers, count, limit)
        if not missing_triggers(cut, triggers):
            return cut
        lost = missing_triggers(cut, triggers)
        prompt = ", ".join([*lost, prompt])
    return ", ".join(triggers)


def _cut(prompt: str, triggers: Sequence[str], count: Count, limit: int) -> str:
    if count(prompt) <= limit:
        return prompt
    kept = [span for trigger in triggers for span in _places(prompt, trigger)]
    stops = {stop for _, stop in kept}
    words = re.finditer(r"\S+", prompt)
    ends = [word.end() for word in words if word.end() in stops or word.group().lower() not in _NO_END]
    ends = [end for end in ends if not any(start < end < stop for start, stop in kept)]
    fitting = [end for end in ends if count(prompt[:end].rstrip(" ,")) <= limit]
    if not fitting:
        return ""
    end = max(fitting)
    comma = max(
        (comma for comma in _commas(prompt) if end / 2 < comma <= end and comma not in _inside(kept)), default=end
    )
    if prompt[end:].lstrip()[:1] == ",":
        comma = end
    return prompt[:comma].rstrip(" ,")


def _commas(prompt: str) -> list[int]:
    return [found.start() for found in re.finditer(",", prompt)]


def _inside(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {place for start, stop in spans for place in range(start + 1, stop)}


def _places(prompt: str, trigger: str) -> list[tuple[int, int]]:
    words = r"\s+".join(re.escape(word) for word in trigger.split())
    return [found.span() for found in re.finditer(rf"(?<!\w){words}(?!\w)", prompt, re.IGNORECASE)] if words else []
