"""What several formats share: a turn given as text or as messages, and a system message in a field of its own."""

from typing import Any

from engine.data.records import Message

Turns = list[dict[str, Any]]


def turns(value: Any, role: str) -> list[Any]:
    """A field that is either one turn's text or a list of messages, as a list of messages.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list):
        return value
    raise ValueError("prompt and replies must be text or lists of messages")


def with_system(row: dict[str, Any], messages: list[Any]) -> list[Any]:
    """Messages, after the row's own system message if it has one.

    Raises:
        ValueError: it has one that is no text.
    """
    system = row.get("system")
    if system is None or system == "":
        return messages
    if not isinstance(system, str):
        raise ValueError("the system message must be text")
    return [{"role": "system", "content": system}, *messages]


def plain(messages: list[Message]) -> Turns:
    """Messages as a file has them."""
    return [{"role": message.role, "content": message.content} for message in messages]


def shortest(messages: list[Message], role: str) -> str | Turns:
    """What `turns` reads as these messages: text if it is one turn of the role, unless a table would take that for a list."""
    if [message.role for message in messages] == [role] and not messages[0].content.lstrip().startswith("["):
        return messages[0].content
    return plain(messages)
