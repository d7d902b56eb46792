"""Where prompts come from: typed lines, files, datasets, chat logs. What cannot be a prompt becomes a plain reason.

Of chats, only the person's own and what people have judged are read: other people's conversations are theirs.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from engine.chat import conversations
from engine.chat.turns import prompt_of
from engine.data import registry
from engine.data.records import Conversation, Message, Preference, Record, Unpaired, is_reply, plain_reason
from engine.errors import BadInput
from engine.feedback.store import FeedbackFilter, find
from engine.labelling.schema import Prompt

Prompts = Iterator[Prompt | str]


def typed(text: str, written_by: str) -> Prompts:
    """One prompt a line; empty lines are passed over."""
    for line in text.splitlines():
        if line.strip():
            yield Prompt(instruction=line.strip(), source={"written_by": written_by})


def file(path: Path) -> Prompts:
    """A text file with one prompt a line, or a file of any format that datasets have; its replies become references.

    Raises:
        BadInput: the file is not UTF-8, or of no known format.
    """
    return _text_file(path) if path.suffix.lower() == ".txt" else _data_file(path)


def dataset(name: str) -> Prompts:
    """The prompts of a dataset's rows; its replies become references.

    Raises:
        BadInput: there is no such dataset.
    """
    for number, record in enumerate(registry.iterate(name), start=1):
        yield _of_record(record, {"dataset": name, "row": number})


def judged_bad() -> Prompts:
    """What people asked whenever the reply was judged bad; corrections become references."""
    for row in find(FeedbackFilter(verdict="bad")):
        yield _prompt(row.prompt, row.correction, {"feedback": row.id})


def own_chats(owner: str, unjudged_only: bool) -> Prompts:
    """What a person asked in their conversations.

    Args:
        owner: whose.
        unjudged_only: leave out what has a reply that somebody judged.
    """
    for conversation in conversations.find(owner):
        judged = {row.message_id for row in find(FeedbackFilter(conversation_id=conversation.id))}
        line = conversations.path(owner, conversation.id)
        for place, message in enumerate(line):
            if message.role != "user":
                continue
            replies = line[place + 1].versions if place + 1 < len(line) else ()
            if unjudged_only and judged.intersection(replies):
                continue
            system = line[place + 1].meta.get("system", "") if replies else ""
            turns = [Message.model_validate(turn) for turn in prompt_of(line[: place + 1], system)]
            yield _prompt(turns, None, {"conversation": conversation.id, "message": message.id})


def _text_file(path: Path) -> Prompts:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield Prompt(instruction=line.strip(), source={"file": path.name, "line": number})
    except UnicodeDecodeError:
        raise BadInput("“{file}” is not UTF-8 text: save it as UTF-8 and try again.", file=path.name) from None


def _data_file(path: Path) -> Prompts:
    from engine.data.readers import Reading, detect

    for number, record in Reading(path, detect(path)):
        source: dict[str, JsonValue] = {"file": path.name, "line": number}
        yield record if isinstance(record, str) else _of_record(record, source)


def _of_record(record: Record, source: dict[str, JsonValue]) -> Prompt | str:
    if isinstance(record, Conversation):
        last = max(place for place, message in enumerate(record.messages) if is_reply(message))
        return _prompt(record.messages[:last], record.messages[last].content, source)
    if isinstance(record, Preference):
        return _prompt(record.prompt, record.chosen[0].content, source)
    if isinstance(record, Unpaired):
        return _prompt(record.prompt, record.completion[0].content if record.label else None, source)


def _prompt(turns: list[Message], reference: str | None, source: dict[str, JsonValue]) -> Prompt | str:
    """Only what becomes a conversation once it has a reply is a prompt."""
    try:
        Conversation(messages=[*turns, Message(role="assistant", content="…")])
    except ValueError as error:
        return plain_reason(error)
    system = turns[0].content if turns[0].role == "system" else ""
    *before, asked = turns[1:] if turns[0].role == "system" else turns
    if not asked.content.strip():
        return "the prompt is empty"
    return Prompt(instruction=asked.content, system=system, before=before, reference=reference, source=source)
