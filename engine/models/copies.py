"""One chat model as the host sees it: a copy, or several that share its requests, each with its own owner.

Decides which copy a request goes to and nothing else; how many there are is `engine.models.placement`'s to say.
"""

from dataclasses import replace

from engine.errors import Busy
from engine.models.loaded import LoadedModel, Owner
from engine.models.owner import Counters, ModelOwner
from engine.models.placement import Plan
from engine.models.schedule import Job


class Copies:
    """The owners of one model. All begin to load at once.

    Args:
        name: the model's.
        estimate: bytes a copy will take, until it is loaded and they are known.
        plan: where each goes.
        after: owners whose memory they need; each waits for their end.
        counters: where they count.
    """

    def __init__(self, name: str, estimate: int, plan: Plan, after: list[Owner], counters: Counters):
        self.name = name
        self.plan = plan
        self.owners: list[ModelOwner] = []
        for place in plan.places:
            neighbours = plan.places.count(place)
            owner = ModelOwner(name, estimate, [*after], counters, place, neighbours, self.submit)
            self.owners.append(owner)
        for owner in self.owners:
            owner.start()

    @property
    def alive(self) -> bool:
        """Whether any copy takes requests."""
        return any(owner.alive for owner in self.owners)

    @property
    def busy(self) -> int:
        """Requests in progress or waiting."""
        return sum(owner.busy for owner in self.owners)

    @property
    def bytes(self) -> int:
        """What all copies take."""
        return sum(owner.bytes for owner in self.owners if owner.alive)

    @property
    def last_used(self) -> float:
        """When a request ended last."""
        return max(owner.last_used for owner in self.owners)

    def submit(self, job: Job) -> bool:
        """Give a request to a copy; False if none takes any more.

        To one that is up before one that still loads, then to the one with the fewest requests, then to one that has the
        adapter. Until any is up they wait at the first.

        Raises:
            Busy: as many wait at every copy as may.
        """
        adapter = job.adapter and job.adapter.name

        def order(owner: ModelOwner) -> tuple[bool, int, bool]:
            return (False, owner.busy, adapter not in owner.describe().adapters) if owner.ready else (True, 0, False)

        full: Busy | None = None
        for owner in sorted(self.owners, key=order):
            try:
                if owner.submit(job):
                    return True
            except Busy as error:
                full = full or error
        if full:
            raise full
        return False

    def describe(self) -> LoadedModel:
        """A snapshot for a page: all copies together, and each."""
        each = [owner.describe() for owner in self.owners]
        sound = [copy for copy in each if not copy.trouble] or each
        whole = next((copy for copy in sound if copy.dtype), sound[0])
        devices: dict[str, int] = {}
        for copy in sound:
            for place, parts in copy.devices.items():
                devices[place] = devices.get(place, 0) + parts
        adapters = list(dict.fromkeys(name for copy in sound for name in copy.adapters))
        return replace(
            whole, bytes=self.bytes, devices=devices, adapters=adapters, busy=self.busy, copies=each, plan=self.plan
        )

    def count(self) -> tuple[int, int]:
        """How many requests are in progress, and how many wait."""
        running = sum(owner.running for owner in self.owners)
        return running, max(0, self.busy - running)

    def close(self) -> None:
        """Ask all to end after their current step."""
        for owner in self.owners:
            owner.close()

    def join(self) -> None:
        """Wait until all have ended and their memory is free."""
        for owner in self.owners:
            owner.join()
