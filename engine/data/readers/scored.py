"""`{"prompt": …, "response": …, "label"|"rating"|"score": …}`: one reply a row, judged by a word or by a number.

A label is true or false, 0 or 1, 👍 or 👎, or a word such as good or bad. A rating goes from 1 to 5, or to what the row
calls its `scale`: the upper quarter is good, the lower quarter bad, and what lies between says neither. A bare score
has no known scale, and is refused rather than guessed: `--columns rating=score` says that it is a rating. Only read.
"""

from typing import Any

from engine.data.readers.replies import PROMPTS, number, prompt
from engine.data.readers.turns import turns

FIELDS = ("prompt", "response", "label", "rating", "score", "scale", "system")

_REPLIES = ("response", "completion", "text", "reply", "answer")
_JUDGEMENTS = ("label", "rating", "score")
_SCALE = 5
"""The usual one, with 4 and 5 for good replies and 1 and 2 for bad ones."""
_GOOD, _BAD = 0.75, 0.25
"""Parts of the way from the worst rating to the best: from 1 to 5, these are 4 and 2."""
_WORDS = {
    **dict.fromkeys(("good", "true", "1", "yes", "👍", "thumbs up", "thumbs_up", "up", "positive", "好", "赞"), True),
    **dict.fromkeys(("bad", "false", "0", "-1", "no", "👎", "thumbs down", "thumbs_down", "down", "negative", "差", "踩"), False),
}  # fmt: skip


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return all(any(name in row for name in names) for names in (PROMPTS, _REPLIES, _JUDGEMENTS))


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The reply, and whether it was a good one."""
    reply = next((row[name] for name in _REPLIES if row.get(name) is not None), None)
    return {"prompt": prompt(row), "completion": turns(reply, "assistant"), "label": _is_good(row)}


def as_label(value: Any) -> Any:
    """True or false for a word or a number that says so; what says neither stays as it is."""
    if isinstance(value, bool):
        return value
    whole = number(value)
    word = value if whole is None else f"{whole:g}"
    return _WORDS.get(word.strip().lower().replace("\ufe0f", ""), value) if isinstance(word, str) else value


def _is_good(row: dict[str, Any]) -> Any:
    if row.get("label") is not None:
        return as_label(row["label"])
    if row.get("rating") is not None:
        return _rated(number(row["rating"]), number(row.get("scale")) or _SCALE)
    if row.get("scale") is not None:
        return _rated(number(row.get("score")), number(row["scale"]) or _SCALE)
    label = as_label(row.get("score"))
    if number(row.get("score")) is None and isinstance(label, bool):
        return label
    raise ValueError("what a score means is not said: take its column for a “label” (0 or 1) or a “rating” (1 to 5)")


def _rated(rating: float | None, scale: float) -> bool:
    if rating is None or not 1 <= rating <= scale or scale <= 1:
        raise ValueError("a rating must be a number from 1 to its scale, which is 5 unless the row says another")
    share = (rating - 1) / (scale - 1)
    if _BAD < share < _GOOD:
        raise ValueError("the rating lies in the middle: it says neither good nor bad")
    return share >= _GOOD
