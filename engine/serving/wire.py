"""Replies in the shapes of OpenAI's API: whole, or as the events of a stream. Plain dicts."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.models.request import Reply

DONE = "data: [DONE]\n\n"


def event(document: Any) -> str:
    """A document as one server-sent event."""
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


@dataclass(frozen=True)
class Wire:
    """The answer to one request.

    Each choice carries its seed, which is none of OpenAI's fields: with it any reply can be had again.
    """

    model: str
    chat: bool
    choices: int
    each: int = 1
    """Choices that share one prompt, which is counted once."""
    tells_usage: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, replies: Sequence[Reply]) -> dict[str, Any]:
        """The answer at once."""
        choices = []
        for index, reply in enumerate(replies):
            text = {"message": {"role": "assistant", "content": reply.text}} if self.chat else {"text": reply.text}
            choices.append(self._choice(index, text, reply))
        return {**self._head("chat.completion"), "choices": choices, "usage": self._usage(replies)}

    def opening(self) -> list[dict[str, Any]]:
        """The chunks before the first text."""
        delta = {"delta": {"role": "assistant", "content": ""}}
        return [self._chunk(self._choice(index, delta)) for index in range(self.choices)] if self.chat else []

    def piece(self, index: int, text: str) -> dict[str, Any]:
        """The chunk with the next piece of one choice."""
        return self._chunk(self._choice(index, {"delta": {"content": text}} if self.chat else {"text": text}))

    def end(self, index: int, reply: Reply) -> dict[str, Any]:
        """The chunk that says why a choice ended."""
        return self._chunk(self._choice(index, {"delta": {}} if self.chat else {"text": ""}, reply))

    def usage(self, replies: Sequence[Reply]) -> dict[str, Any]:
        """The last chunk of a stream that was asked to tell what it cost."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(replies)}

    def _head(self, kind: str) -> dict[str, Any]:
        prefix, kind = ("chatcmpl", kind) if self.chat else ("cmpl", "text_completion")
        return {"id": f"{prefix}-{self.id}", "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        usage = {"usage": None} if self.tells_usage else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **usage}

    def _choice(self, index: int, text: dict[str, Any], reply: Reply | None = None) -> dict[str, Any]:
        ending = {"finish_reason": reply.finish_reason, "seed": reply.seed} if reply else {"finish_reason": None}
        return {"index": index, **text, "logprobs": None, **ending}

    def _usage(self, replies: Sequence[Reply]) -> dict[str, int]:
        asked = sum(reply.prompt_tokens for reply in replies[:: self.each])
        written = sum(reply.tokens for reply in replies)
        return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}
