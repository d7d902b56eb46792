"""Records of Argilla with two replies or more, which people ranked, chose from or rated; one comparison a row.

Four shapes of https://github.com/argilla-io/argilla, as its own code writes them:

    1.x record    `fields`, and `responses` as a list, one a person: `{"status": …, "values": {question: {"value": …}}}`
    1.x datasets  fields as columns, and each question's column a list of `{"user_id": …, "value": …, "status": …}`
    2.x to_json   `fields`, and `responses` by question: `{question: [{"value": …, "user_id": …}]}`
    2.x datasets  fields as columns, and `question.responses` a list of values, beside `question.responses.status`

Replies are fields such as `response1`, `response-2`, `generations-0` or `chosen`. A ranking is a list of names, of
`{"rank": …, "value": name}`, or `{"rank": […], "value": […]}`; a choice is a name; a rating is a number whose question
has the reply's number in its name (`rating_1`, `generations-0-rating`). Several people's answers are averaged, and the
best reply is compared with the worst. Drafts, discarded answers and suggestions of models do not count. Only read.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from itertools import zip_longest
from statistics import fmean
from typing import Any

from pydantic_core import from_json

from engine.data.readers.replies import compared, named, number, replies

FIELDS = ("fields", "responses")

_FLAT = (".responses", "-suggestion")
"""How the columns of a question end in 2.x and 1.x."""

Answer = tuple[str, Any]
"""A question's name, and what a person answered."""
Scores = dict[str, float]


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    return all(name in row for name in FIELDS) or any(name.endswith(_FLAT) for name in row)


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The comparison that people's answers amount to."""
    row = {name: _parsed(value) for name, value in row.items()}
    fields = row.get("fields")
    fields = fields if isinstance(fields, dict) else row
    found = replies(fields)
    if len(found) < 2:
        raise ValueError("there must be two replies to compare, such as “response1” and “response2”")
    return compared(fields, found, _scores(_answers(row), found))


def _parsed(value: Any) -> Any:
    """What a table's cell says, if it is JSON; text that only looks like it stays text."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        found = from_json(value)
    except ValueError:
        return value
    return found if found and (isinstance(found, dict) or isinstance(found[0], dict | str)) else value


def _answers(row: dict[str, Any]) -> list[Answer]:
    responses = row.get("responses")
    if isinstance(responses, dict):
        return [answer for name, given in responses.items() for answer in _of_question(name, given)]
    if isinstance(responses, list):
        people = [person.get("values") for person in _objects(responses) if _counts(person.get("status"))]
        return [
            answer for values in _objects(people) for name in values for answer in _of_question(name, [values[name]])
        ]
    answers = []
    for name, given in row.items():
        if name.endswith(".responses"):
            answers += _with_status(name.removesuffix(".responses"), given, row.get(f"{name}.status"))
        else:
            answers += _of_question(name, given)
    return answers


def _of_question(name: str, given: Any) -> list[Answer]:
    return [(name, one["value"]) for one in _objects(given) if "value" in one and _counts(one.get("status"))]


def _with_status(name: str, given: Any, status: Any) -> list[Answer]:
    both = zip_longest(_list(given), _list(status))
    return [(name, value) for value, state in both if value is not None and _counts(state)]


def _counts(status: Any) -> bool:
    return status in (None, "submitted")


def _scores(answers: list[Answer], found: dict[str, Any]) -> Scores:
    """Each reply's mean over all people, by the most telling kind of answer there is."""
    kinds: tuple[Callable[[Answer, dict[str, Any]], Scores], ...] = (_ranking, _choice, _rating)
    for kind in kinds:
        given: dict[str, list[float]] = defaultdict(list)
        for answer in answers:
            for name, score in kind(answer, found).items():
                given[name].append(score)
        if given:
            return {name: fmean(scores) for name, scores in given.items()}
    if not answers and {"chosen", "rejected"} <= found.keys():
        return {"chosen": 1.0, "rejected": 0.0}
    raise ValueError("nobody has compared these replies")


def _ranking(answer: Answer, found: dict[str, Any]) -> Scores:
    value = answer[1]
    if isinstance(value, dict):
        pairs = list(zip(_list(value.get("rank")), _list(value.get("value")), strict=False))
    elif isinstance(value, list) and all(isinstance(name, str) for name in value):
        pairs = list(enumerate(value))
    else:
        pairs = [(place.get("rank"), place.get("value")) for place in _objects(value)]
    ranks = {named(name, found): number(rank) for rank, name in pairs}
    return {name: -rank for name, rank in ranks.items() if name is not None and rank is not None}


def _choice(answer: Answer, found: dict[str, Any]) -> Scores:
    chosen = named(answer[1], found) if isinstance(answer[1], str) else None
    return {name: float(name == chosen) for name in found} if chosen else {}


def _rating(answer: Answer, found: dict[str, Any]) -> Scores:
    name, rating = next(iter(re.findall(r"\d+", answer[0])[::-1]), ""), number(answer[1])
    return {name: rating} if name in found and rating is not None and not isinstance(answer[1], str) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
