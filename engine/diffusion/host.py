"""Draws for everybody in this process: each loaded picture model has one thread that owns it and draws what its queue holds.

Memory is counted together with that of the chat models (`engine.models.host`): idle models of either kind make room. A
request can be cancelled while it waits, at once, and while it is drawn, after the current step.
"""

import atexit
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from engine.diffusion import pipelines
from engine.diffusion.catalog import PictureSource, fingerprint, resolve
from engine.diffusion.drawing import Drawing, DrawRequest, Progress, check, draw
from engine.diffusion.families import family
from engine.diffusion.live_loras import LiveLoras, complete
from engine.models import host as models
from engine.models.loaded import LoadedModel, Owner, OwnerThread, give_back, unloaded


class DrawStream:
    """A request as it is drawn: iterate to see how far it is, `cancel` it, ask for the `result`.

    Leaving the iteration early does not cancel: a page that is left goes on drawing.
    """

    def __init__(self) -> None:
        self._progress: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._begun = False
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._drawings: list[Drawing] = []
        self._error: Exception | None = None
        self.latest: Progress | None = None
        """The last progress, for whoever looks in now and then."""

    def __iter__(self) -> Iterator[Progress]:
        while (progress := self._progress.get()) is not None:
            yield progress
        self._progress.put(None)  # whoever iterates again finds the end too

    def cancel(self) -> None:
        """Stop: at once if it still waits, else after the current step."""
        with self._lock:
            self._cancelled.set()
            waiting = not self._begun and not self._ended.is_set()
            if waiting:
                self._ended.set()
        if waiting:
            self._progress.put(None)

    @property
    def cancelled(self) -> bool:
        """Whether anybody asked for it to stop."""
        return self._cancelled.is_set()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended.is_set()

    def result(self, timeout: float | None = None) -> list[Drawing]:
        """Wait for the pictures; of a cancelled request those that were finished, perhaps none.

        Args:
            timeout: seconds; None waits as long as it takes.

        Raises:
            TimeoutError: it has not ended by then.
            Exception: what went wrong.
        """
        if not self._ended.wait(timeout):
            raise TimeoutError
        if self._error:
            raise self._error
        return self._drawings

    def begin(self) -> bool:
        """For the owner: take it up; False if it was cancelled while it waited."""
        with self._lock:
            self._begun = not self._ended.is_set()
            return self._begun

    def put(self, progress: Progress) -> None:
        """For the owner: a step is done."""
        self.latest = progress
        self._progress.put(progress)

    def finish(self, drawings: list[Drawing] | None = None, error: Exception | None = None) -> None:
        """For the owner: the end, with the pictures or with what went wrong."""
        with self._lock:
            if self._ended.is_set():
                return
            self._drawings, self._error = drawings or [], error
            self._ended.set()
        self._progress.put(None)


@dataclass
class _Task:
    request: DrawRequest
    stream: DrawStream


class PictureHost:
    """Use `host()`, which gives the process's only one.

    Args:
        memory: who counts the memory; by default the process's host of chat models.
    """

    def __init__(self, memory: models.Host | None = None):
        self._memory = memory
        self._owners: dict[str, PictureOwner] = {}
        self._lock = threading.Lock()

    def draw(self, request: DrawRequest) -> DrawStream:
        """Start drawing; returns at once. The model loads on first use, in its own thread.

        Args:
            request: what to draw, with which model and adapters. Pictures come back with complete recipes.

        Raises:
            BadInput: no such model or adapter, an adapter of another base, or a request that contradicts itself.
            Failure: there is not enough memory.
        """
        check(request)
        source = resolve(request.recipe.model)
        mark = fingerprint(source)
        recipe = complete(request.recipe, source.name, mark, family(source))
        task = _Task(replace(request, recipe=recipe), DrawStream())
        with self._lock:
            owner = self._owners.get(source.name)
            if owner is None or owner.fingerprint != mark or not owner.submit(task):
                owner = self._owners[source.name] = self._load(source, mark, owner)
                owner.submit(task)
        return task.stream

    def loaded(self) -> list[LoadedModel]:
        """The picture models in memory, or on their way there."""
        with self._lock:
            return [owner.describe() for owner in self._owners.values() if owner.alive]

    def unload(self, model: str | None = None) -> None:
        """Give the memory of one model, or of all, back; what is being drawn ends as cancelled."""
        with self._lock:
            names = [model] if model else list(self._owners)
            ending = [self._owners.pop(name) for name in names if name in self._owners]
        for owner in ending:
            owner.close(now=True)
        for owner in ending:
            owner.join()

    def _load(self, source: PictureSource, mark: str, before: "PictureOwner | None") -> "PictureOwner":
        if before is not None:
            before.close()  # other weights under the same name, or one that makes room and is wanted again
        needed = pipelines.bytes_needed(source)
        memory = self._memory or models.host()

        def start(after: list[Owner]) -> PictureOwner:
            return PictureOwner(source, mark, needed, [*after, *([before] if before else [])])

        return memory.admit(source.name, needed, start)


class PictureOwner(OwnerThread[_Task]):
    """One picture model and the thread that owns it.

    Args:
        source: the model.
        mark: its fingerprint.
        estimate: bytes it will take.
        after: owners whose memory it needs; it waits for their end.
    """

    def __init__(self, source: PictureSource, mark: str, estimate: int, after: list[Owner]):
        super().__init__(source.name, estimate, after)
        self.fingerprint = mark
        self._source = source
        self._now = False
        self.start()

    def submit(self, task: _Task) -> bool:
        """Queue a request; False if the owner takes none any more."""
        with self._lock:
            if self._closed:
                return False
            self._count += 1
            self._queue.put(task)
            return True

    def close(self, now: bool = False) -> None:
        """Take no more requests, and end after those there are.

        Args:
            now: end after the current step.
        """
        with self._lock:
            self._closed = True
            self._now = self._now or now
            self._queue.put(None)

    # everything below runs in the owner thread

    def _run(self) -> None:
        try:
            self._load()
        except Exception as error:
            self._refuse_all(error)
            return
        try:
            while task := self._queue.get():
                if not self._now:
                    self._draw(task)
                else:
                    self._end(task, error=unloaded())
        finally:
            self._refuse_all(unloaded())
            self._free()

    def _load(self) -> None:
        self._wait_for_memory()
        self.pipe = pipelines.load(self._source)
        self.loras = LiveLoras(self.pipe, self._source, self.fingerprint)
        self.bytes = sum(_size(part) for part in self.pipe.components.values())
        self._describe_now()

    def _draw(self, task: _Task) -> None:
        if not task.stream.begin():
            self._end(task)
            return
        try:
            if task.request.merge:
                self.loras.activate_merged(task.request.recipe.loras, task.request.merge)
            else:
                self.loras.activate(task.request.recipe.loras)
            drawings = draw(self.pipe, task.request, task.stream.put, lambda: self._now or task.stream.cancelled)
            self._end(task, drawings)
        except Exception as error:
            self._end(task, error=error)

    def _end(self, task: _Task, drawings: list[Drawing] | None = None, error: Exception | None = None) -> None:
        with self._lock:
            self._count -= 1
        self.last_used = time.monotonic()
        self._describe_now()
        task.stream.finish(drawings, error)

    def _describe_now(self) -> None:
        places = (str(part.device) for part in self.pipe.components.values() if hasattr(part, "parameters"))
        self._tell(places, self.pipe.unet.dtype, self.loras.loaded)

    def _refuse_all(self, error: Exception) -> None:
        with self._lock:
            self._closed = True
        while not self._queue.empty():
            if task := self._queue.get():
                with self._lock:
                    self._count -= 1
                task.stream.finish(error=error)

    def _free(self) -> None:
        del self.pipe, self.loras
        give_back()


def _size(part: Any) -> int:
    return sum(p.numel() * p.element_size() for p in part.parameters()) if hasattr(part, "parameters") else 0


@cache
def host() -> PictureHost:
    """The process's host, made on first use."""
    host_ = PictureHost()
    atexit.register(host_.unload)  # a thread still computing while the interpreter ends would abort it
    return host_
