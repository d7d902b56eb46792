"""What a chat model is asked and what it answers; shared by the host, the chat backends and the pages. Plain data."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, Field

Messages = list[dict[str, str]] | str
"""A conversation, `{"role", "content"}` each, ending with the user's turn; or plain text to be continued, without a chat template."""

Priority = Literal["interactive", "batch"]
"""Whether somebody waits for the reply at a screen."""


class Sampling(BaseModel):
    """How the next token is chosen."""

    max_new_tokens: int = Field(default=512, ge=1, le=32768)
    temperature: float = Field(default=0.7, ge=0, le=5)
    """0 takes the likeliest token every time."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    """0 considers every token."""
    repetition_penalty: float = Field(default=1.0, gt=0, le=5)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """None draws one, which the reply reports, so that any reply can be had again."""
    stop: list[Annotated[str, Field(min_length=1)]] = Field(default=[], max_length=16)
    """The reply ends before the first of these strings."""


@dataclass(frozen=True)
class Reply:
    """A finished (or stopped) reply and what it cost."""

    text: str
    tokens: int
    prompt_tokens: int
    seconds: float
    seed: int
    finish_reason: str
    """`stop` (the model ended, or a stop string came), `length` (the limit came first) or `cancelled`."""

    @property
    def tokens_per_second(self) -> float:
        """Of the reply, prompt reading included."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass
class ReplyStream:
    """One reply as it is written. The writer `put`s pieces and `finish`es; the reader iterates, and may `cancel`.

    Leaving the iteration early cancels the request, so that an abandoned reply costs at most one token more.
    """

    _pieces: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)
    _written: list[str] = field(default_factory=list)
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _reply: Reply | None = None
    _error: Exception | None = None
    listener: Callable[[], None] | None = None
    """Called in the writer's thread after each piece and at the end, for readers that must not wait; it must be quick and not fail."""

    def __iter__(self) -> Iterator[str]:
        try:
            while (piece := self._pieces.get()) is not None:
                yield piece
        finally:
            self.cancel()
        if self._error:
            raise self._error

    def cancel(self) -> None:
        """Ask the writer to stop before its next token."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether anybody asked the writer to stop."""
        return self._cancelled.is_set()

    @property
    def text(self) -> str:
        """What is written so far."""
        return "".join(self._written)

    @property
    def ended(self) -> bool:
        """Whether the writer has finished, well or badly."""
        return self._ended.is_set()

    def put(self, piece: str) -> None:
        """For the writer: the next piece of text."""
        if piece:
            self._written.append(piece)
            self._pieces.put(piece)
            self._tell()

    def finish(self, reply: Reply | None = None, error: Exception | None = None) -> None:
        """For the writer: the end, with the whole reply or with what went wrong."""
        self._reply, self._error = reply, error
        self._ended.set()
        self._pieces.put(None)
        self._tell()

    def _tell(self) -> None:
        if self.listener:
            self.listener()

    @property
    def reply(self) -> Reply:
        """The whole reply; only after the iteration has ended."""
        if self._reply is None:
            raise RuntimeError("the reply has not ended yet")
        return self._reply

    @property
    def pieces(self) -> int:
        """How many pieces are written so far: about as many as tokens."""
        return len(self._written)

    def pieces_from(self, place: int) -> list[str]:
        """The pieces after the first so many, for readers that do not iterate."""
        return self._written[place:]

    def wait(self, timeout: float | None = None) -> Reply:
        """Wait for the end and return the whole reply.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it has not ended by then.
            Exception: what went wrong with the reply.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError
        if self._error:
            raise self._error
        return self.reply
