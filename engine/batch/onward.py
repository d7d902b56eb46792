"""What results are for: rows of a dataset to learn from, or work for the labelling desk. Only rows with a reply go on."""

from collections.abc import Iterator
from itertools import chain

from engine.batch.prompts import Asking, Messages
from engine.batch.results import in_order
from engine.batch.source import read_source, spec_of
from engine.data import registry
from engine.data.records import Conversation, Message
from engine.data.registry import Card
from engine.errors import BadInput
from engine.labelling import queues, tasks
from engine.labelling.schema import Prompt, Queue
from engine.labelling.tasks import Added
from engine.models.catalog import resolve
from engine.runs import Run

_NO_REPLY = "No row of the run {run} has a reply yet: there is nothing to go on with."


def to_dataset(run: Run, name: str, column: str = "reply") -> Card:
    """A new dataset of conversations: what was asked and the reply, with the run, row and file in each row's source.

    Args:
        run: the run.
        name: of the dataset.
        column: `reply` or, of a comparison, `reply_b`.

    Raises:
        BadInput: the name is taken or none, or no row has a reply.
    """
    spec = spec_of(run)
    adapter = _adapter(run, column)
    answered = _answered(run, column)
    source = {"batch": run.id, "file": spec.file.name, "model": resolve(spec.model).name, "adapter": adapter}
    records = (
        Conversation(
            messages=[*(Message.model_validate(turn) for turn in messages), Message(role="assistant", content=reply)],
            source={"batch": run.id, "row": row},
        )
        for row, messages, reply in answered
    )
    return registry.create(name, records, [source])


def to_labelling(run: Run, name: str, by: str, column: str = "reply") -> tuple[Queue, Added]:
    """A new queue at the labelling desk: what was asked, with the reply as the answer that is shown beside the work.

    Args:
        run: the run.
        name: of the queue.
        by: who makes it.
        column: whose replies.

    Raises:
        BadInput: the name is taken or none, or no row has a reply.
    """
    _adapter(run, column)
    answered = _answered(run, column)
    queue = queues.create(name, by)
    return queue, tasks.add(queue.id, (_prompt(run, *asked) for asked in answered))


def _adapter(run: Run, column: str) -> str | None:
    sides = spec_of(run).sides
    if column not in sides:
        raise BadInput("The run {run} has no column “{column}”.", run=run.id, column=column)
    return sides[column]


def _answered(run: Run, column: str) -> Iterator[tuple[int, Messages, str]]:
    """The rows with a reply that says something: number, messages, reply.

    Raises:
        BadInput: there is none.
    """
    asking = Asking(spec_of(run))
    rows = (
        (result.row, asking.messages(row), result.replies[column])
        for row, result in in_order(run, read_source(run))
        if result and not result.failed and result.replies[column].strip()
    )
    first = next(rows, None)
    if first is None:
        raise BadInput(_NO_REPLY, run=run.id)
    return chain([first], rows)


def _prompt(run: Run, row: int, messages: Messages, reply: str) -> Prompt:
    system = messages[0]["content"] if messages[0]["role"] == "system" else ""
    before = messages[bool(system) : -1] if messages[0]["role"] == "system" else messages[:-1]
    return Prompt(
        instruction=messages[-1]["content"],
        system=system,
        before=[Message.model_validate(turn) for turn in before],
        reference=reply,
        source={"batch": run.id, "row": row},
    )
