"""What a loaded model of any kind is to others: memory, and a thread that owns it and is fed by a queue.

Chat models (`engine.models.owner`) and picture models (`engine.diffusion.host`) build on it. It loads and computes nothing.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from engine.errors import Failure

if TYPE_CHECKING:
    from engine.models.placement import Plan

Asked = TypeVar("Asked")
"""What stands in an owner's queue."""


class Owner(Protocol):
    """A loaded model and its thread, as far as memory is concerned."""

    @property
    def name(self) -> str: ...

    @property
    def bytes(self) -> int: ...

    @property
    def last_used(self) -> float: ...

    @property
    def alive(self) -> bool: ...

    @property
    def busy(self) -> int: ...

    def close(self) -> None: ...

    def join(self) -> None: ...


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
    trouble: str = ""
    """Why it answers nobody."""
    copies: "list[LoadedModel]" = field(default_factory=list)
    """Of a chat model: each of them."""
    plan: "Plan | None" = None
    """Of a chat model: where its copies go, and why."""


class OwnerThread(Generic[Asked]):
    """The thread and what everybody may ask of it. Whoever builds on it says in `_run` what the thread does.

    Args:
        name: the model's.
        estimate: bytes it will take, until it is loaded and they are known.
        after: owners whose memory it needs; it waits for their end.
    """

    def __init__(self, name: str, estimate: int, after: list[Owner]):
        self.name = name
        self.bytes = estimate
        self.last_used = time.monotonic()
        self._queue: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._count = 0  # requests not ended yet
        self._closed = False  # whether requests are refused; changes once, under the lock
        self._lock = threading.Lock()
        self._after = after
        self._description = LoadedModel(name, estimate, {}, "", [], 0)
        self._thread = threading.Thread(target=self._run, name=f"model {name}", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still takes requests."""
        return not self._closed

    @property
    def busy(self) -> int:
        """Requests in progress or waiting."""
        return self._count

    def describe(self) -> LoadedModel:
        """A snapshot for a page."""
        return replace(self._description, bytes=self.bytes, busy=self._count)

    def join(self) -> None:
        """Wait until it has ended and its memory is free."""
        self._thread.join()

    # what follows is for the thread

    def _run(self) -> None:
        raise NotImplementedError

    def _wait_for_memory(self) -> None:
        while self._after:
            self._after.pop().join()

    def _tell(self, places: Iterable[str], dtype: object, adapters: list[str]) -> None:
        """What the next snapshots say: the place of each part, what it computes in, which adapters are in memory."""
        kind = str(dtype).removeprefix("torch.")
        self._description = LoadedModel(self.name, self.bytes, dict(Counter(places)), kind, adapters, 0)


def unloaded() -> Failure:
    """What a request meets whose model has gone."""
    return Failure("The model was unloaded: ask again to load it anew.")


def give_back() -> None:
    """Give memory that nothing refers to any more back to the devices."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
