"""Replies that the host's threads write, read by an event loop that must not wait for any of them. Knows no HTTP."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from anyio import to_thread

from engine.errors import Busy
from engine.models.request import Reply, ReplyStream


class Stream(Protocol):
    """What the host writes into: a reply or pictures."""

    @property
    def ended(self) -> bool: ...

    def cancel(self) -> None: ...


class Work:
    """What the host does for this server: a stream counts until the host has ended it, whoever still listens."""

    def __init__(self) -> None:
        self._streams: list[Stream] = []
        self._lock = threading.Lock()

    def add(self, stream: Stream) -> None:
        """Count a stream; from any thread."""
        with self._lock:
            self._streams = [*(other for other in self._streams if not other.ended), stream]

    def cancel(self) -> None:
        """End all of it."""
        for stream in self._streams:
            stream.cancel()


class Replies:
    """The replies to one request; `close` it whatever happens.

    Args:
        work: where they count.
    """

    def __init__(self, work: Work):
        self.streams: list[ReplyStream] = []
        self._work = work
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def begin(self, starts: Sequence[Callable[[], ReplyStream]]) -> None:
        """Ask the host, and wait for the first piece of text.

        Args:
            starts: each asks for one reply. They run in a thread, as they read files.

        Raises:
            Exception: what the host says against one of them.
        """
        await to_thread.run_sync(self._start, starts)
        while not any(stream.pieces or stream.ended for stream in self.streams):
            await self._change()
        for stream in self.streams:
            if stream.ended:
                stream.wait(0)

    async def __aiter__(self) -> AsyncIterator[tuple[int, str, Reply | None]]:
        """Index of a reply, its next piece of text, and the whole once it has ended.

        Raises:
            Busy: it was cancelled, though not from here.
            Exception: what went wrong with one of them.
        """
        read = [0] * len(self.streams)
        while any(place >= 0 for place in read):
            for index, stream in enumerate(self.streams):
                if read[index] < 0:
                    continue
                ended = stream.ended  # asked before the text is taken, which is then all of it
                pieces = stream.pieces_from(read[index])
                read[index] = -1 if ended else read[index] + len(pieces)
                reply = stream.wait(0) if ended else None
                if reply and reply.finish_reason == "cancelled":
                    raise Busy("The server stopped this reply: ask again in a moment.")
                if pieces or reply:
                    yield index, "".join(pieces), reply
            if any(place >= 0 for place in read):
                await self._change()

    def close(self) -> None:
        """Cancel what has not ended."""
        self._closed = True
        for stream in self.streams:
            stream.cancel()

    def _start(self, starts: Sequence[Callable[[], ReplyStream]]) -> None:
        for start in starts:
            stream = start()
            stream.listener = self._wake
            self.streams.append(stream)
            self._work.add(stream)
            if self._closed:  # whoever asked has gone meanwhile
                stream.cancel()
                return

    def _wake(self) -> None:
        """Called in the writer's thread, which must not suffer from a loop that has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _change(self) -> None:
        await self._changed.wait()
        self._changed.clear()
