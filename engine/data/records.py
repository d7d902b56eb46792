"""The canonical records, in TRL's own conversational shapes: no other shape goes from one module to another.

Every rule that a row must keep is here, whether it came from a file, from feedback or from a form. A broken rule is a
`ValueError` (pydantic's) whose reason `plain_reason` puts in one sentence; these sentences have no gaps, so that a page
can translate them.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue, ValidationError, model_validator

Kind = Literal["messages", "preference", "unpaired"]


class Message(BaseModel):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: str


class Conversation(BaseModel):
    """What supervised fine-tuning trains on: perhaps a system message, then user and assistant in turns."""

    kind: ClassVar[Kind] = "messages"
    messages: list[Message]
    source: dict[str, JsonValue] = Field(default_factory=dict)
    """Where the row came from, for lineage, such as `{"feedback": [3]}`."""

    @model_validator(mode="after")
    def _check(self) -> "Conversation":
        _check_turns(self.messages)
        # the last turn mostly is one: millions of rows pass here
        if not any(map(is_reply, reversed(self.messages))):
            raise ValueError("there is no reply to learn from: no assistant turn has any text")
        return self


class Preference(BaseModel):
    """A better and a worse reply to the same prompt, for reward models and DPO."""

    kind: ClassVar[Kind] = "preference"
    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    source: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Preference":
        check_prompt(self.prompt)
        _check_reply(self.chosen)
        _check_reply(self.rejected)
        if self.chosen == self.rejected:
            raise ValueError("the chosen and the rejected reply are the same")
        return self


class Unpaired(BaseModel):
    """One reply and whether it was a good one, for KTO."""

    kind: ClassVar[Kind] = "unpaired"
    prompt: list[Message]
    completion: list[Message]
    label: bool
    source: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Unpaired":
        check_prompt(self.prompt)
        _check_reply(self.completion)
        return self


Record = Conversation | Preference | Unpaired
RECORDS: dict[Kind, type[Record]] = {record.kind: record for record in (Conversation, Preference, Unpaired)}


def is_reply(message: Message) -> bool:
    """Whether this is a turn that a model can learn from: the assistant's, with text in it."""
    return message.role == "assistant" and bool(message.content.strip())


_REASONS = {
    "role": "a message's role must be system, user or assistant",
    "content": "a message's content must be text",
    "label": "“label” must be true or false",
}


def plain_reason(error: ValueError) -> str:
    """Why a row was refused, in one plain sentence without a full stop."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])  # pyright: ignore[reportTypedDictNotRequiredAccess]  (always there for this type)
    names: list[Any] = [part for part in first["loc"] if part in _REASONS]
    return _REASONS[names[-1]] if names else "messages must be a list of objects with “role” and “content”"


def _check_turns(messages: list[Message]) -> None:
    roles = [message.role for message in messages]
    if roles == ["user", "assistant"]:
        return
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if "system" in turns:
        raise ValueError("a system message may only come first, and only once")
    if turns != ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2):
        raise ValueError("user and assistant must take turns, and the user begins")


def check_prompt(messages: list[Message]) -> None:
    """Refuse what is no prompt.

    Raises:
        ValueError: turns are out of order, or it does not end with what the user says; with a plain reason.
    """
    _check_turns(messages)
    if not messages or messages[-1].role != "user":
        raise ValueError("the prompt must end with what the user says")
    if not messages[-1].content.strip():
        raise ValueError("the prompt is empty")


def _check_reply(messages: list[Message]) -> None:
    if [message.role for message in messages] != ["assistant"]:
        raise ValueError("a reply must be one assistant message")
    if not is_reply(messages[0]):
        raise ValueError("the reply is empty")
