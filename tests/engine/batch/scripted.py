"""A host that answers by a script, to see what a batch does with replies that no model gives on demand."""

import threading
from collections.abc import Callable

from engine.errors import Busy
from engine.models.request import Reply, ReplyStream, Sampling


class ScriptedHost:
    """Answers in a thread of its own.

    Args:
        answer: takes messages, sampling and adapter, and gives the text or raises what the stream shall raise.
        busy: how many of the first requests are refused.
        delay: seconds until an answer.
    """

    def __init__(
        self, answer: Callable[[list[dict[str, str]], Sampling, str | None], str], busy: int = 0, delay: float = 0.0
    ):
        self._answer = answer
        self._busy = busy
        self._delay = delay
        self._lock = threading.Lock()
        self._open = 0
        self.asked: list[Sampling] = []
        self.most_open = 0

    def generate(self, messages, sampling, model=None, adapter=None, *, priority="interactive") -> ReplyStream:
        """As the real one."""
        assert priority == "batch"
        if self._busy:
            self._busy -= 1
            raise Busy("busy")
        with self._lock:
            self._open += 1
            self.most_open = max(self.most_open, self._open)
            self.asked.append(sampling)
        stream = ReplyStream()
        threading.Timer(self._delay, self._finish, (stream, messages, sampling, adapter)).start()
        return stream

    def unload(self) -> None:
        """Nothing is loaded."""

    def _finish(self, stream: ReplyStream, messages, sampling: Sampling, adapter) -> None:
        try:
            text = self._answer(messages, sampling, adapter)
            error, reply = None, Reply(text, 3, 3, 0.1, sampling.seed or 0, "stop")
        except Exception as failed:
            error, reply = failed, None
        with self._lock:
            self._open -= 1
        stream.finish(reply, error)
