"""A row becomes the messages that the model is asked; the preview of the first rows; what is wrong with a spec before it runs.

No model or tokenizer is loaded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from engine.adapters.store import read_adapter
from engine.batch import tables
from engine.batch.replies import JsonRule
from engine.batch.spec import BatchSpec
from engine.batch.tables import Row, refuse_ending
from engine.batch.template import Template, refuse_no_column
from engine.data.records import Message, check_prompt, plain_reason
from engine.devices import devices
from engine.errors import BadInput
from engine.files import refuse_file
from engine.models.adapters import refuse_other_base
from engine.models.catalog import fingerprint, resolve

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Previewed:
    """A row as the model will be asked it."""

    row: int
    """Its number, from 1."""
    messages: Messages
    """Empty if there is a problem."""
    problem: BadInput | None = None
    """Why the row cannot be asked: an error to be shown as any other."""


class Asking:
    """Makes the messages of rows.

    Args:
        spec: with a template or a column of messages.

    Raises:
        BadInput: it has neither or both, the prompt is empty, or a template is wrong.
    """

    def __init__(self, spec: BatchSpec):
        if (spec.prompt_template is None) == (spec.messages_column is None):
            raise BadInput("Give a prompt template or the column that holds messages: one of the two.")
        if spec.messages_column is None and not (spec.prompt_template or "").strip():
            raise BadInput("The prompt is empty: write what the model is asked about each row.")
        self._column = spec.messages_column
        self._prompt = Template(spec.prompt_template or "")
        self._system = Template(spec.system or "")

    def check(self, columns: list[str], file: str) -> None:
        """Refuse columns that are not there.

        Raises:
            BadInput: naming the column and those there are.
        """
        self._prompt.check(columns, file)
        self._system.check(columns, file)
        if self._column is not None:
            refuse_no_column(self._column, columns, file)

    def messages(self, row: Row) -> Messages:
        """What the model is asked: the system prompt, if there is one and the row's messages bring none, and the turns.

        Raises:
            BadInput: the row cannot be read, lacks a column, or makes no prompt.
        """
        if isinstance(row, str):
            raise BadInput(row)
        if self._column is None:
            turns = [{"role": "user", "content": self._prompt.fill(row)}]
        else:
            turns = _turns(row, self._column)
        system = self._system.fill(row)
        if system.strip() and (not turns or turns[0].get("role") != "system"):
            turns = [{"role": "system", "content": system}, *turns]
        return _checked(turns)


def preview(file: Path, spec: BatchSpec, rows: int = 3) -> list[Previewed]:
    """The first rows as the model will be asked them.

    Raises:
        BadInput: the file cannot be read, or the template names a column that is missing or has a lone brace.
    """
    asking = Asking(spec)
    asking.check(tables.columns(file), file.name)
    return [_previewed(asking, number, row) for number, row in enumerate(tables.first_rows(file, rows), 1)]


def check(spec: BatchSpec) -> None:
    """Refuse now what would fail later: file, template, columns, model, adapters, schema, judge, GPUs, place of the final file.

    Raises:
        BadInput: with what to do.
    """
    columns = tables.columns(spec.file)
    Asking(spec).check(columns, spec.file.name)
    if spec.reference is not None:
        refuse_no_column(spec.reference, columns, spec.file.name)
    JsonRule(spec)
    if len(spec.sides) > len(set(spec.sides.values())):
        raise BadInput("Both replies would come from the same model: choose another adapter for one of them.")
    source = resolve(spec.model)
    for name in filter(None, spec.sides.values()):
        refuse_other_base(read_adapter(name, kind="chat"), source.name, fingerprint(source))
    if spec.judge:
        judge = read_adapter(spec.judge, kind="reward")
        base = resolve(judge.card.base_model)
        refuse_other_base(judge, base.name, fingerprint(base))
    count = sum(device.name != "cpu" for device in devices())
    if missing := [str(number) for number in spec.gpus if number not in range(count)]:
        raise BadInput("There is no GPU {numbers}: this machine has {count}.", numbers=", ".join(missing), count=count)
    if spec.out:
        refuse_ending(spec.out)
        refuse_file(spec.out)


def _previewed(asking: Asking, number: int, row: Row) -> Previewed:
    try:
        return Previewed(number, asking.messages(row))
    except BadInput as error:
        return Previewed(number, [], error)


def _turns(row: dict[str, Any], column: str) -> Messages:
    """The messages in a cell, those that answer the last question left out."""
    if column not in row:
        raise BadInput("The row has no column “{column}”.", column=column)
    value = row[column]
    try:
        value = from_json(value) if isinstance(value, str) else value
    except ValueError:
        value = None
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise BadInput("The cell “{column}” holds no list of messages.", column=column)
    turns = [{name: turn[name] for name in ("role", "content") if name in turn} for turn in value]
    while turns and turns[-1].get("role") == "assistant":
        turns.pop()
    return turns


def _checked(turns: Messages) -> Messages:
    try:
        check_prompt([Message.model_validate(turn) for turn in turns])
    except (ValidationError, ValueError) as error:
        raise BadInput(plain_reason(error)) from None
    return turns
