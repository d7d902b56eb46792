"""The one host of a process: keeps the models its memory budget allows, each copy owned by one thread and fed by a queue.

Everything that serves (chat, batch, evaluation) asks here and nobody else loads a model for it. What the thread does with
its requests is in `engine.models.owner`, which copy gets one in `engine.models.copies`.
"""

import atexit
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TypeVar

from engine.adapters.store import read_adapter
from engine.devices import devices, visible_gpus
from engine.errors import Failure
from engine.models import placement
from engine.models.adapters import refuse_other_base
from engine.models.catalog import fingerprint, resolve
from engine.models.copies import Copies
from engine.models.loaded import LoadedModel, Owner
from engine.models.owner import Counters
from engine.models.request import Messages, Priority, ReplyStream, Sampling
from engine.models.schedule import Job
from engine.settings import settings

Guest = TypeVar("Guest", bound=Owner)


class Host:
    """Use `host()`, which gives the process's only one.

    Args:
        budget: bytes that loaded models may take together.
    """

    def __init__(self, budget: int):
        self._budget = budget
        self._owners: dict[str, Copies] = {}
        self._guests: list[Owner] = []
        self._counters: dict[str, Counters] = {}  # of every model that was ever loaded
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
        job = Job(messages, sampling, chosen, priority)
        with self._lock:
            owner = self._owners.get(source.name)
            if owner is None or not owner.submit(job):
                owner = self._owners[source.name] = self._load(source.name)
                owner.submit(job)
        return job.stream

    def loaded(self) -> list[LoadedModel]:
        """The models in memory, or on their way there."""
        with self._lock:
            return [owner.describe() for owner in self._owners.values() if owner.alive]

    def counters(self) -> dict[str, Counters]:
        """What each model has done since the process began, and what it does now, by name."""
        with self._lock:
            now = {name: owner.count() for name, owner in self._owners.items()}
            return {
                name: replace(counted, running=running, waiting=waiting)
                for name, counted in self._counters.items()
                for running, waiting in [now.get(name, (0, 0))]
            }

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

    def _load(self, name: str) -> Copies:
        needed = placement.size_of(resolve(name))
        afforded = (self._budget - self._used()) // max(1, needed)  # more copies push no other model out
        plan = placement.plan(name, needed, placement.usable_gpus(), afforded)
        making_room = self._make_room(name, needed * len(plan.places))
        return Copies(name, needed, plan, making_room, self._counters.setdefault(name, Counters()))

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


@cache
def host() -> Host:
    """The process's host, made on first use."""
    if (configured := settings().host_memory_gib) is not None:
        budget = configured * 2**30
    else:
        gpus = [*visible_gpus(), *(device for device in devices() if device.name == "mps")]
        budget = 0.8 * (sum(gpu.free for gpu in gpus) or devices()[-1].free)
    host_ = Host(int(budget))
    atexit.register(host_.unload)  # a thread still computing while the interpreter ends would abort it
    return host_
