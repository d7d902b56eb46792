"""`{"prompt": …, "response_a": …, "response_b": …, "winner": …}`: two replies, and a verdict or a score of each.

The verdict, in `winner`, `preference` or `label`, names a reply as its column does: `a`, `model_b`, `response_1`, or 1
where the columns end in numbers. 0 and 1 say nothing about `a` and `b`, as sets differ in which they mean. Only read.
"""

import re
from typing import Any

from engine.data.readers.replies import PROMPTS, compared, named, number, replies, reply_names

FIELDS = ("prompt", "response_a", "response_b", "winner", "score_a", "score_b", "system")

_VERDICTS = ("winner", "preference", "label")
_SCORE = re.compile(r"(?:score|rating)[-_ ]?(\d{1,3}|[ab])")
_TIES = {"", "tie", "draw", "both", "neither", "none", "equal", "same", "tie (bothbad)", "both_bad"}


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    judged = any(name in row for name in _VERDICTS) or len(_scores(row)) > 1
    return judged and any(name in row for name in PROMPTS) and len(reply_names(row)) == 2


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The better reply is chosen, the other one rejected."""
    found = replies(row)
    if len(found) != 2:
        raise ValueError("there must be two replies, such as “response_a” and “response_b”")
    return compared(row, found, _judged(row, found))


def _judged(row: dict[str, Any], found: dict[str, Any]) -> dict[str, float]:
    verdict = next((row[name] for name in _VERDICTS if row.get(name) is not None), None)
    if verdict is None:
        scores = {name: score for name, value in _scores(row).items() if (score := number(value)) is not None}
        return {name: scores[name] for name in found if name in scores}
    if isinstance(verdict, str) and verdict.strip().lower() in _TIES:
        return {}
    winner = named(verdict, found)
    if winner is None:
        raise ValueError("the verdict must name one of the two replies as its column does")
    return {name: float(name == winner) for name in found}


def _scores(row: dict[str, Any]) -> dict[str, Any]:
    return {match[1]: value for name, value in row.items() if (match := _SCORE.fullmatch(name[:40].lower()))}
