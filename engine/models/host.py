"""The one host of a process: keeps the models its memory budget allows, each owned by one thread and fed by a queue.

Everything that serves (chat, batch, evaluation) asks here and nobody else loads a model for it. The owner thread takes
one step for each of its requests in turn, so requests with different adapters run side by side and can be stopped after
any token.
"""

import atexit
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from engine.adapters.store import Adapter, read_adapter
from engine.devices import devices
from engine.errors import Busy, Failure
from engine.models import loader
from engine.models.adapters import AdapterSlots, refuse_other_base
from engine.models.catalog import fingerprint, resolve
from engine.models.request import Messages, Priority, ReplyStream, Sampling
from engine.settings import settings


@dataclass
class Request:
    """One question to a loaded model."""

    messages: Messages
    sampling: Sampling
    adapter: Adapter | None
    stream: ReplyStream
    priority: Priority = "interactive"


@dataclass(frozen=True)
class LoadedModel:
    """What a page shows of a model in memory."""

    name: str
    bytes: int
    devices: dict[str, int]
    """How many of its layers (or whole parts) sit on each device, `disk` included."""
    dtype: str
    adapters: list[str]
    busy: int
    """Requests in progress or waiting."""


class Owner(Protocol):
    """A loaded model and its thread, as far as memory is concerned."""

    name: str
    bytes: int
    last_used: float

    @property
    def alive(self) -> bool: ...

    @property
    def busy(self) -> int: ...

    def close(self) -> None: ...

    def join(self) -> None: ...


Guest = TypeVar("Guest", bound=Owner)


class Host:
    """Use `host()`, which gives the process's only one.

    Args:
        budget: bytes that loaded models may take together.
    """

    def __init__(self, budget: int):
        self._budget = budget
        self._owners: dict[str, ModelOwner] = {}
        self._guests: list[Owner] = []
        self._lock = threading.Lock()

    def generate(
        self,
        messages: Messages,
        sampling: Sampling,
        model: str | None = None,
        adapter: str | None = None,
        *,
        priority: Priority = "interactive",
    ) -> ReplyStream:
        """Start a reply; returns at once. The model loads on first use, in its own thread.

        Args:
            messages: the conversation, `{"role", "content"}` each, ending with the user's turn; or text to be continued.
            sampling: how tokens are chosen.
            model: as `catalog.resolve` takes it.
            adapter: the name of a chat adapter in lora_store/; None for the base.
            priority: `batch` lets those who wait at a screen go first.

        Raises:
            BadInput: no such model or adapter, or the adapter is of another kind or base.
            Busy: as many requests wait for this model as may.
        """
        source = resolve(model)
        chosen = read_adapter(adapter, kind="chat") if adapter else None
        if chosen:
            refuse_other_base(chosen, source.name, fingerprint(source))
        request = Request(messages, sampling, chosen, ReplyStream(), priority)
        with self._lock:
            owner = self._owners.get(source.name)
            if owner is None or not owner.submit(request):
                owner = self._owners[source.name] = self._load(source.name)
                owner.submit(request)
        return request.stream

    def loaded(self) -> list[LoadedModel]:
        """The models in memory, or on their way there."""
        with self._lock:
            return [owner.describe() for owner in self._owners.values() if owner.alive]

    def unload(self, model: str | None = None) -> None:
        """Give the memory of one model, or of all, back; requests in progress end as cancelled."""
        with self._lock:
            names = [model] if model else list(self._owners)
            ending: list[Owner] = [self._owners.pop(name) for name in names if name in self._owners]
            if model is None:
                ending, self._guests = [*ending, *self._guests], []
        for owner in ending:
            owner.close()
        for owner in ending:
            owner.join()

    def admit(self, name: str, needed: int, start: Callable[[list[Owner]], Guest]) -> Guest:
        """Load a model that is not for chat (a picture model) within the same budget; idle models make room for it.

        Args:
            name: for the message.
            needed: bytes that it will take.
            start: makes its owner, given those whose end it must wait for before it loads.

        Raises:
            Failure: there is not enough memory.
        """
        with self._lock:
            guest = start(self._make_room(name, needed))
            self._guests.append(guest)
            return guest

    def _load(self, name: str) -> "ModelOwner":
        needed = loader.bytes_needed(resolve(name), loader.Placement.from_settings())
        return ModelOwner(name, needed, after=self._make_room(name, needed))

    def _make_room(self, name: str, needed: int) -> list[Owner]:
        """Close idle models, the longest unused first, until so much is free; returns those that are on their way out."""
        self._guests = [guest for guest in self._guests if guest.alive]
        idle = [owner for owner in [*self._owners.values(), *self._guests] if not owner.busy]
        making_room: list[Owner] = []
        for owner in sorted(idle, key=lambda owner: owner.last_used):
            if self._used() + needed <= self._budget:
                break
            making_room.append(owner)
            if owner in self._guests:
                self._guests.remove(owner)
            else:
                self._owners.pop(owner.name)
            owner.close()
        if self._used() + needed > self._budget:
            raise Failure(
                "“{name}” needs {needed:.1f} GiB and {free:.1f} GiB are free for models: unload another, or raise STUDIO_HOST_MEMORY_GIB.",
                name=name,
                needed=needed / 2**30,
                free=max(0, self._budget - self._used()) / 2**30,
            )
        return making_room

    def _used(self) -> int:
        return sum(owner.bytes for owner in [*self._owners.values(), *self._guests] if owner.alive)


class ModelOwner:
    """One model and the thread that owns it.

    Args:
        name: the model's.
        estimate: bytes it will take, until it is loaded and they are known.
        after: owners whose memory it needs; it waits for their end.
    """

    def __init__(self, name: str, estimate: int, after: list[Owner]):
        self.name = name
        self.bytes = estimate
        self.last_used = time.monotonic()
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._count = 0  # requests not ended yet
        self._closed = False  # whether requests are refused; changes once, under the lock
        self._lock = threading.Lock()
        self._after = after
        self._description = LoadedModel(name, estimate, {}, "", [], 0)
        self._thread = threading.Thread(target=self._run, name=f"model {name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still takes requests."""
        return not self._closed

    @property
    def busy(self) -> int:
        """Requests in progress or waiting."""
        return self._count

    def submit(self, request: Request) -> bool:
        """Queue a request; False if the owner takes none any more. Raises `Busy` if too many wait."""
        with self._lock:
            if self._closed:
                return False
            if self._queue.qsize() >= settings().waiting_requests:
                raise Busy(
                    "{waiting} requests wait for “{model}” already: try again in a moment, or raise STUDIO_WAITING_REQUESTS.",
                    waiting=self._queue.qsize(),
                    model=self.name,
                )
            self._count += 1
            self._queue.put(request)
            return True

    def describe(self) -> LoadedModel:
        """A snapshot for a page."""
        d = self._description
        return LoadedModel(d.name, d.bytes, d.devices, d.dtype, d.adapters, self._count)

    def close(self) -> None:
        """Ask the thread to end after its current token."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait until it has ended and its memory is free."""
        self._thread.join()

    # everything below runs in the owner thread

    def _run(self) -> None:
        try:
            self._load()
        except Exception as error:
            self._refuse_all(error)
            return
        active: list[tuple[Request, Any]] = []
        try:
            while self._take_requests(active):
                active = [job for job in active if self._advance(*job)]
        finally:
            for request, decoding in active:
                self._end(request, reply=decoding.reply())
            self._refuse_all(Failure("The model was unloaded: ask again to load it anew."))
            self._free()

    def _load(self) -> None:
        while self._after:
            self._after.pop().join()
        source = resolve(self.name)
        self.tokenizer = loader.load_tokenizer(self.name)
        self.model = loader.load_model(self.name)
        self.bytes = self.model.get_memory_footprint()
        self.slots = AdapterSlots(self.model, source.name, fingerprint(source))
        self._describe_now()

    def _take_requests(self, active: list[tuple[Request, Any]]) -> bool:
        """Start what is waiting; sleep while there is nothing to do. False once the owner is closed."""
        from engine.models.decode import Decoding

        while not active or not self._queue.empty():
            request = self._queue.get()
            if request is None:
                return False
            try:
                decoding = Decoding(self.model, self.tokenizer, request.messages, request.sampling)
                active.append((request, decoding))
            except Exception as error:
                self._end(request, error=error)
        return True

    def _advance(self, request: Request, decoding: Any) -> bool:
        """One token of one request; False once it has ended."""
        try:
            if not request.stream.cancelled:
                self.slots.activate(request.adapter)
                request.stream.put(decoding.step())
                if decoding.finish_reason is None:
                    return True
            self._end(request, reply=decoding.reply())
        except Exception as error:
            self._end(request, error=error)
        return False

    def _end(self, request: Request, reply: Any = None, error: Exception | None = None) -> None:
        with self._lock:
            self._count -= 1
        self.last_used = time.monotonic()
        self._describe_now()
        request.stream.finish(reply, error)

    def _describe_now(self) -> None:
        places: dict[str, int] = {}
        for place in getattr(self.model, "hf_device_map", {"": self.model.device}).values():
            label = f"cuda:{place}" if isinstance(place, int) else str(place)
            places[label] = places.get(label, 0) + 1
        dtype = str(self.model.dtype).removeprefix("torch.")
        self._description = LoadedModel(self.name, self.bytes, places, dtype, self.slots.loaded, 0)

    def _refuse_all(self, error: Exception) -> None:
        with self._lock:
            self._closed = True
        while not self._queue.empty():
            if request := self._queue.get():
                request.stream.finish(error=error)

    def _free(self) -> None:
        import gc

        import torch

        del self.model, self.slots
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@cache
def host() -> Host:
    """The process's host, made on first use."""
    if (configured := settings().host_memory_gib) is not None:
        budget = configured * 2**30
    else:
        gpus = [device.free for device in devices() if device.name != "cpu"]
        budget = 0.8 * (sum(gpus) or devices()[-1].free)
    host_ = Host(int(budget))
    atexit.register(host_.unload)  # a thread still computing while the interpreter ends would abort it
    return host_
