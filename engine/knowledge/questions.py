"""Questions whose right passage is known, read from a file: one JSON object a line.

`{"question", "gold"}` names the right passage by its key, null where the base holds no answer; `{"question", "answer"}` takes
every passage for right in which the answer stands. Nothing is looked up here.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.data.readers.streams import encoding_of
from engine.errors import BadInput

MOST_QUESTIONS = 100_000


class Question(BaseModel, frozen=True):
    """A question and what is right for it."""

    question: str
    gold: str | None = None
    """Key of the right passage; None where there is none, or where `answer` tells it."""
    answer: str | None = None
    """A text that the right passages contain."""
    left_out: bool = False
    """Whether the right passage is passed over when it is looked for, so that the base holds no answer."""
    line: int = 0
    """Where it stands in its file, from 1; 0 if it comes from none."""


def read_questions(path: Path, name: str = "") -> list[Question]:
    """The questions of a file.

    Args:
        path: the file.
        name: what it is called, if not as its path.

    Raises:
        BadInput: there is no such file, it is empty, or a line of it cannot be used.
    """
    name = name or path.name
    if not path.is_file():
        raise BadInput("There is no file “{file}”.", file=path)
    text = path.read_bytes().decode(encoding_of(path, "none"), "replace").removeprefix("\ufeff")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise BadInput("“{file}” is empty: write one question a line.", file=name)
    if len(lines) > MOST_QUESTIONS:
        raise BadInput("“{file}” has more than {limit} questions: ask fewer.", file=name, limit=MOST_QUESTIONS)
    return [_question(line, number, name) for number, line in lines]


def _question(line: str, number: int, name: str) -> Question:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput("“{file}” is not valid JSON: line {line} is wrong.", file=name, line=number) from error
    if not isinstance(value, dict) or not _is_text(value.get("question")):
        raise BadInput("“{file}”, line {line}: there is no question in it.", file=name, line=number)
    if "gold" not in value and "answer" not in value:
        raise BadInput(
            "“{file}”, line {line}: write the key of the right passage as gold, or null if there is none.",
            file=name,
            line=number,
        )
    gold, answer = value.get("gold"), value.get("answer")
    if isinstance(gold, int) and not isinstance(gold, bool):
        gold = str(gold)  # a passage's id may be written as a number, and so may this
    for field, text in (("gold", gold), ("answer", answer)):
        if text is not None and not _is_text(text):
            raise BadInput(
                "“{file}”, line {line}: {field} must be a text or null.", file=name, line=number, field=field
            )
    question = value["question"].strip()
    return Question.model_validate({"question": question, "gold": gold, "answer": answer, "line": number})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
