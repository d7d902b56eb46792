"""A chat model made of a function, for tests that are about what is done with its words."""

from collections.abc import Callable

import pytest
from pydantic import PrivateAttr

from engine.chat.turns import Speaker
from engine.knowledge.passages import Passage
from engine.knowledge.retrieval import Hit
from engine.models.request import Reply, ReplyStream, Sampling

Says = Callable[[list[dict[str, str]]], str]


class StubBackend:
    """Answers at once with what the function makes of the messages, and remembers what it was asked."""

    def __init__(self, says: Says, ends: bool):
        self.says, self.ends = says, ends
        self.asked: list[list[dict[str, str]]] = []

    def stream(self, messages: list[dict[str, str]], sampling: Sampling, adapter: str | None = None) -> ReplyStream:
        self.asked.append(messages)
        text = self.says(messages)
        stream = ReplyStream()
        for start in range(0, len(text), 7):
            stream.put(text[start : start + 7])
        if self.ends:
            stream.finish(Reply(text, len(text), 0, 0.1, 0, "stop"))
        return stream


class StubSpeaker(Speaker):
    """Says what it is told to."""

    model: str | None = "stub"
    _backend: StubBackend = PrivateAttr()

    @classmethod
    def saying(cls, says: Says | str, ends: bool = True) -> "StubSpeaker":
        speaker = cls()
        speaker._backend = StubBackend(says if callable(says) else lambda _: says, ends)
        return speaker

    @property
    def asked(self) -> list[list[dict[str, str]]]:
        return self._backend.asked

    def backend(self) -> StubBackend:
        return self._backend


def silent() -> StubSpeaker:
    """A speaker that nobody may ask."""

    def fail(messages: list[dict[str, str]]) -> str:
        pytest.fail("a model was asked")  # no `except Exception` takes this for a model's failure

    return StubSpeaker.saying(fail)


def hit(text: str, name: str = "manual.pdf", page: int | None = None, number: int = 1, score: float = 0.9) -> Hit:
    """A passage as retrieval finds it."""
    passage = Passage(
        id=number, key=f"{name}#{number}", document=number, document_name=name, place=0, text=text, page=page
    )
    return Hit("kb-0", "Test", passage, score, score, score, 1, 1)
