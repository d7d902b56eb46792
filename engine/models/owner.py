"""One chat model and the thread that owns it: takes requests from a queue and decodes all of them together.

Between two steps it lets go who has ended or was cancelled, and takes in who is next (`engine.models.schedule`). Everything
that touches the model happens in its thread.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from engine.errors import Busy, Failure
from engine.models import loader
from engine.models.adapters import AdapterSlots, slot_of
from engine.models.batch import Batch, LoneBatch, Pieces, RowBatch
from engine.models.catalog import fingerprint, resolve
from engine.models.generation import Generation
from engine.models.loaded import Owner, OwnerThread, give_back, unloaded
from engine.models.probe import tokens_that_fit
from engine.models.request import Reply
from engine.models.schedule import Job, Schedule
from engine.settings import settings

ROWS = {"cpu": 32, "cuda": 128}
"""Requests decoded at once where the settings do not say."""
CHUNK = {"cpu": 256, "cuda": 2048}
"""Prompt tokens read in one pass: what everybody else waits for."""

_log = logging.getLogger(__name__)


@dataclass
class Counters:
    """What a model has done since the process began, and does now."""

    requests: int = 0
    """That have ended, however."""
    prompt_tokens: int = 0
    tokens: int = 0
    """Of replies."""
    running: int = 0
    waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, reply: Reply | None) -> None:
        """A request has ended, with a reply or without; copies of a model count together."""
        with self._lock:
            self.requests += 1
            if reply:
                self.prompt_tokens += reply.prompt_tokens
                self.tokens += reply.tokens


class ModelOwner(OwnerThread[Job]):
    """One copy of a model and the thread that owns it, which begins with `start`.

    Args:
        name: the model's.
        estimate: bytes it will take, until it is loaded and they are known.
        after: owners whose memory it needs; it waits for their end.
        counters: where it counts.
        place: its device map.
        neighbours: copies in the same place, itself included; they share the memory for keys and values.
        hand_over: takes a request that waits here when the copy has failed; False if nobody does.
    """

    def __init__(
        self,
        name: str,
        estimate: int,
        after: list[Owner],
        counters: Counters,
        place: str,
        neighbours: int,
        hand_over: Callable[[Job], bool],
    ):
        super().__init__(name, estimate, after)
        self.running = 0
        """Requests in progress."""
        self._counters = counters
        self._place = place
        self._neighbours = neighbours
        self._hand_over = hand_over
        self._running: list[Job] = []
        self._batches: dict[str | None, Batch] = {}  # by the slot that cannot be mixed with others; None for all else

    @property
    def ready(self) -> bool:
        """Whether it is loaded."""
        return bool(self._description.dtype)

    def submit(self, job: Job) -> bool:
        """Queue a request; False if the owner takes none any more.

        Raises:
            Busy: as many wait as may.
        """
        with self._lock:
            if self._closed:
                return False
            waiting = self._count - self.running
            if waiting >= settings().waiting_requests:
                raise Busy(
                    "{waiting} requests wait for “{model}” already: try again in a moment, or raise STUDIO_WAITING_REQUESTS.",
                    waiting=waiting,
                    model=self.name,
                )
            self._count += 1
            self._queue.put(job)
            return True

    def close(self) -> None:
        """Ask the thread to end after its current step."""
        self._queue.put(None)

    # everything below runs in the owner thread

    def _run(self) -> None:
        try:
            self._load()
        except Exception as error:
            self._fail(error)
            self._free()
            return
        try:
            while self._take_requests():
                self._let_in()
                for batch in list(self._batches.values()):
                    self._advance(batch.step, batch.jobs)
            for job in list(self._running):
                self._end(job, reply=job.generation.reply())
            self._refuse_all(unloaded())
        except Exception as error:  # nobody may wait for an end that does not come
            for job in self._running:
                job.stream.finish(error=error)
            self._fail(error)
        self._free()

    def _load(self) -> None:
        from engine.models.few_rows import speed_up_few_rows

        self._wait_for_memory()
        source = resolve(self.name)
        self.tokenizer = loader.load_tokenizer(self.name)
        self.model = loader.load_model(self.name, replace(loader.Placement.from_settings(), device_map=self._place))
        speed_up_few_rows(self.model)
        self.bytes = self.model.get_memory_footprint()
        self.slots = AdapterSlots(self.model, source.name, fingerprint(source))
        self._kind = loader.device_of(self.model).type
        self._tokens = tokens_that_fit(self.model)
        if self._tokens is not None:
            self._tokens //= self._neighbours
        self._schedule = Schedule(settings().batch_rows or ROWS.get(self._kind, ROWS["cpu"]), self._tokens)
        self._describe_now()

    def _take_requests(self) -> bool:
        """Read what has been asked; sleep while there is nothing to do. False once the owner is closed."""
        while not (self._running or self._schedule.waiting) or not self._queue.empty():
            job = self._queue.get()
            if job is None:
                return False
            try:
                job.slot = slot_of(job.adapter)
                job.generation = Generation(self.model, self.tokenizer, job.messages, job.sampling)
                self._refuse_too_long(job)
                self._schedule.add(job)
            except Exception as error:
                self._end(job, error=error)
        for job in [*self._schedule.take_cancelled(), *(job for job in self._running if job.stream.cancelled)]:
            self._end(job, reply=job.generation.reply())
        return True

    def _refuse_too_long(self, job: Job) -> None:
        if self._tokens is not None and job.most_tokens > self._tokens:
            raise Failure(
                "Prompt and reply may come to {needed} tokens, and there is memory for {most}: shorten the prompt, or ask for a shorter reply.",
                needed=job.most_tokens,
                most=self._tokens,
            )

    def _let_in(self) -> None:
        """Take in who is next. No more prompts at a time than others may wait for."""
        chunk = CHUNK.get(self._kind, CHUNK["cpu"])
        new: dict[str | None, list[Job]] = {}
        read = 0
        while read < (chunk if any(job.priority == "interactive" for job in self._running) else 4 * chunk):
            job = self._schedule.next(self._running, lambda job: self.slots.has_room(job.slot))
            if job is None:
                break
            try:
                self.slots.hold(job.adapter, job.slot)
            except Exception as error:
                self._end(job, error=error)
                continue
            job.generation.started = time.perf_counter()
            self._running.append(job)
            new.setdefault(None if self.slots.can_mix(job.slot) else job.slot, []).append(job)
            read += job.generation.prompt_tokens
        self.running = len(self._running)
        for key, jobs in new.items():
            batch = self._batches.get(key) or self._new_batch(key)
            self._batches[key] = batch
            self._advance(partial(batch.read, jobs), jobs)

    def _new_batch(self, key: str | None) -> Batch:
        if self._tokens is None:
            return LoneBatch(self.model, self.slots.use)
        mix = self.slots.mix if key is None else lambda rows: self.slots.use(key)
        return RowBatch(self.model, mix, CHUNK.get(self._kind, CHUNK["cpu"]))

    def _advance(self, compute: Callable[[], Pieces], jobs: list[Job]) -> None:
        """Hand out what a batch computes for these jobs; if it fails, they have failed."""
        try:
            pieces = compute()
        except Exception as error:
            for job in jobs:
                self._end(job, error=error)
            return
        for job, piece in pieces:
            job.stream.put(piece)
            if job.generation.finish_reason:
                self._end(job, reply=job.generation.reply())

    def _end(self, job: Job, reply: Reply | None = None, error: Exception | None = None) -> None:
        if job in self._running:
            self._running.remove(job)
            for key, batch in list(self._batches.items()):
                batch.drop(job)
                if not batch.jobs:
                    del self._batches[key]
            self.slots.release(job.slot)
        self.last_used = time.monotonic()
        with self._lock:
            self._count -= 1
            self.running = len(self._running)
        self._counters.add(reply)
        self._describe_now()
        job.stream.finish(reply, error)

    def _describe_now(self) -> None:
        places = getattr(self.model, "hf_device_map", {"": self.model.device}).values()
        labels = (f"cuda:{place}" if isinstance(place, int) else str(place) for place in places)
        self._tell(labels, self.model.dtype, self.slots.loaded)

    def _refuse_all(self, error: Exception, hand_over: bool = False) -> None:
        with self._lock:
            self._closed = True
            self._count = self.running = 0
        waiting = self._schedule.take_all() if hasattr(self, "_schedule") else []
        while not self._queue.empty():
            if job := self._queue.get():
                waiting.append(job)
        for job in waiting:
            if not (hand_over and self._is_taken(job)):
                job.stream.finish(error=error)

    def _fail(self, error: Exception) -> None:
        """Answer nobody any more; who waits goes to another copy."""
        _log.info("a copy of “%s” has failed: %s", self.name, error)
        self._description = replace(self._description, trouble=str(error) or type(error).__name__)
        self._refuse_all(error, hand_over=True)

    def _is_taken(self, job: Job) -> bool:
        try:
            return self._hand_over(job)
        except Busy:
            return False

    def _free(self) -> None:
        self._batches.clear()
        for name in ("model", "slots"):  # neither is there if loading failed
            self.__dict__.pop(name, None)
        give_back()
