"""Judgements as training data, and as a file that another studio can read.

A row that breaks a rule of its record (`engine.data.records`) is left out: no pair has two equal replies, no reply is
empty. Each row's `source` names the judgements it was made of. Training data leaves out what withdrawn people said; which
of the others to trust is `engine.preferences`' question.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from engine.data.records import Conversation, Message, Preference, Record, Unpaired
from engine.errors import BadInput
from engine.feedback import pictures, store
from engine.feedback.pictures import PictureJudgement
from engine.feedback.schema import Feedback, checked
from engine.feedback.withdrawn import trainable
from engine.files import write_jsonl

Row = dict[str, Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Imported:
    """What came of a file."""

    rows: int
    """Good lines."""
    known: int
    """Those of them that were in the database before."""
    broken: dict[int, str]
    """Line number to what is wrong with it."""


def to_sft(rows: Iterable[Feedback]) -> list[Row]:
    """Conversations worth imitating: good replies, winners, kept replies, and corrections in place of what they correct.

    What anybody judged bad (a bad verdict, or `both_bad`) never appears, even if somebody else liked it.
    """
    rows = trainable(rows)
    bad = {(row.prompt_key, text) for row in rows for text in _bad(row)}
    return _merge(
        (row, Conversation, {"messages": [*row.prompt, _assistant(best)]})
        for row in rows
        if (best := _best(row)) and (row.prompt_key, best) not in bad
    )


def to_preference(rows: Iterable[Feedback]) -> list[Row]:
    """Pairs: a correction over what it corrects, a comparison's winner over its loser, kept over discarded."""
    return _merge(
        (row, Preference, {"prompt": row.prompt, "chosen": [_assistant(better)], "rejected": [_assistant(worse)]})
        for row in trainable(rows)
        for better, worse, _ in row.preferences()
    )


def to_unpaired(rows: Iterable[Feedback]) -> list[Row]:
    """Each reply with a verdict, labelled true for good and false for bad."""
    return _merge(
        (row, Unpaired, {"prompt": row.prompt, "completion": [_assistant(row.reply)], "label": row.verdict == "good"})
        for row in trainable(rows)
        if row.verdict
    )


def to_jsonl(rows: Iterable[Feedback]) -> list[Row]:
    """The judgements whole, withdrawn ones too, ready for JSON; `import_jsonl` reads them back."""
    return [row.model_dump(mode="json") for row in rows]


FORMATS = {"jsonl": to_jsonl, "sft": to_sft, "preference": to_preference, "unpaired": to_unpaired}


def export_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object a line; the file appears whole.

    Raises:
        BadInput: the folder does not exist, or the path is one.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise BadInput("There is no place for a file at {file}: give a file name in a folder that exists.", file=path)
    write_jsonl(path, rows)


def import_jsonl(path: Path, annotator: str | None = None) -> Imported:
    """Take in a file of judgements. The same file twice changes nothing; broken lines are skipped and reported.

    Args:
        path: what `to_jsonl` made, or lines with at least `prompt` and `reply`; judgements of pictures may be among them.
        annotator: who judged, for lines that do not say so.

    Raises:
        BadInput: there is no such file.
    """
    if not path.is_file():
        raise BadInput("There is no file {file}.", file=path)
    records: list[Feedback | PictureJudgement] = []
    broken: dict[int, str] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                if line.strip(b"\xef\xbb\xbf \t\r\n"):
                    records.append(_read(line, annotator))
            except BadInput as error:
                broken[number] = str(error)
    new = _at_times([record for record in records if isinstance(record, Feedback)], store.restore)
    new += _at_times([record for record in records if isinstance(record, PictureJudgement)], pictures.restore)
    return Imported(len(records), len(records) - new, broken)


def _at_times(records: list[Kind], restore: Callable[[list[Kind]], int]) -> int:
    """Few enough at a time that people who rate meanwhile hardly wait."""
    return sum(restore(records[start : start + 200]) for start in range(0, len(records), 200))


def _read(line: bytes, annotator: str | None) -> Feedback | PictureJudgement:
    try:
        values = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadInput("This is not JSON in UTF-8.") from None
    if not isinstance(values, dict):
        raise BadInput("This is not a JSON object.")
    if "picture" in values:
        return pictures.checked(**{"annotator": annotator or "imported", **values})
    return checked(**{"annotator": annotator or "imported", "model": "unknown", **values})


def _bad(row: Feedback) -> Iterator[str]:
    if row.verdict == "bad" or row.winner == "both_bad":
        yield row.reply
    if row.winner == "both_bad" and row.reply_b:
        yield row.reply_b


def _best(row: Feedback) -> str | None:
    if row.correction:
        return row.correction
    if row.winner == "b":
        return row.reply_b
    return row.reply if row.winner == "a" or row.verdict == "good" else None


def _assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


def _merge(made: Iterable[tuple[Feedback, type[Record], Row]]) -> list[Row]:
    """Equal rows become one that names all its judgements, in the order of their first."""
    merged: dict[str, Row] = {}
    for feedback, record, values in made:
        try:
            row = record.model_validate(values).model_dump()
        except ValidationError:
            continue
        ids = merged.setdefault(json.dumps(row), {**row, "source": {"feedback": []}})["source"]["feedback"]
        if feedback.id and feedback.id not in ids:
            ids.append(feedback.id)
    return list(merged.values())
