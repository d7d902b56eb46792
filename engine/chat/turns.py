"""One turn of a saved chat: who answers, the reply written into its message as it comes, what is kept of it.

Between the conversations on disk and a chat backend; draws nothing.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from engine.adapters.store import read_adapter
from engine.chat import conversations
from engine.chat.backend import ChatBackend
from engine.chat.conversations import Message
from engine.chat.local import LocalBackend
from engine.chat.openai import OpenAIBackend
from engine.errors import Failure, StudioError
from engine.models.catalog import resolve
from engine.models.request import ReplyStream, Sampling
from engine.settings import settings


class Speaker(BaseModel):
    """Who answers."""

    model: str | None = None
    """A catalogue model, or the server's name for one; None for the default."""
    adapter: str | None = None
    server: str | None = None
    """URL of an OpenAI-compatible server; None for a model in this process."""

    @classmethod
    def usual(cls) -> "Speaker":
        """Who answers where nobody has chosen: the configured server's first model, else the default model here."""
        return cls(server=settings().openai_base_url)

    @property
    def label(self) -> str:
        """`model`, or `model + adapter`."""
        model = self.model or self.server or resolve(None).name
        return f"{model} + {self.adapter}" if self.adapter else model

    def backend(self) -> ChatBackend:
        """What to ask."""
        return OpenAIBackend(self.server, self.model or "") if self.server else LocalBackend(self.model)


@dataclass
class LiveReply:
    """A reply that is being written into a message."""

    owner: str
    message_id: int
    speaker: Speaker
    sampling: Sampling
    stream: ReplyStream
    meta: dict[str, Any]
    started: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _saved: bool = False

    def save_partial(self) -> None:
        """Keep what is written so far, in case the server dies."""
        with self._lock:
            if not self._saved:
                conversations.update_message(self.owner, self.message_id, self.stream.text)

    def finish(self) -> None:
        """End the reply now, if it has not ended, and keep it; safe to call twice and from two threads."""
        self.stream.cancel()
        with self._lock:
            if self._saved:
                return
            text, outcome = self._outcome()
            conversations.update_message(self.owner, self.message_id, text, {**self.meta, **outcome})
            self._saved = True

    def _outcome(self) -> tuple[str, dict[str, Any]]:
        try:
            reply = self.stream.wait(timeout=1.0)
        except TimeoutError:  # the model is still loading: nobody should wait for that to stop
            return self.stream.text, {"finish_reason": "cancelled"}
        except StudioError as error:
            return self.stream.text, {
                "error": error.sentence,
                "error_values": {k: str(v) for k, v in error.values.items()},
            }
        except Exception as error:
            failure = Failure("The model failed: {reason}", reason=str(error)[:300])
            return self.stream.text, {"error": failure.sentence, "error_values": failure.values}
        sampling = self.sampling.model_copy(update={"seed": reply.seed})
        return reply.text, {
            "tokens": reply.tokens,
            "seconds": round(reply.seconds, 3),
            "finish_reason": reply.finish_reason,
            "sampling": sampling.model_dump(),
        }


def start_reply(
    owner: str,
    conversation_id: int,
    parent: Message,
    speaker: Speaker,
    sampling: Sampling,
    system: str = "",
    meta: dict[str, Any] | None = None,
) -> LiveReply:
    """Let a speaker answer below `parent`, a message on the active path.

    Args:
        owner: whose conversation it is.
        conversation_id: the conversation.
        parent: the user's message that is answered.
        speaker: who answers.
        sampling: how tokens are chosen.
        system: the system prompt; empty for the model's own.
        meta: more to keep with the message.

    Raises:
        BadInput: no such model or adapter; no message was added.
    """
    line = conversations.path(owner, conversation_id)
    before = line[: [message.id for message in line].index(parent.id) + 1]
    messages = prompt_of(before, system)
    stream = speaker.backend().stream(messages, sampling, speaker.adapter)
    adapter = read_adapter(speaker.adapter) if speaker.adapter and not speaker.server else None
    described = {
        "model": speaker.model or speaker.server or resolve(None).name,
        "adapter": speaker.adapter,
        "adapter_fingerprint": adapter.fingerprint if adapter else None,
        "system": system,
        "sampling": sampling.model_dump(),
        **(meta or {}),
    }
    message = conversations.add_message(owner, conversation_id, "assistant", "", parent.id, described)
    return LiveReply(owner, message.id, speaker, sampling, stream, described)


def prompt_of(line: list[Message], system: str = "") -> list[dict[str, str]]:
    """The messages a model is asked with; empty replies (stopped before their first word) are left out with their question."""
    messages = [{"role": "system", "content": system}] if system.strip() else []
    for message in line:
        if message.role == "assistant" and not message.content.strip():
            messages.pop()
        else:
            messages.append({"role": message.role, "content": message.content})
    return messages
