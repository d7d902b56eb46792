"""How a chat model is put on the machine: a whole copy on each GPU, one copy, or one spread over devices; from measured memory.

Decides and says why; what it decides is carried out by `engine.models.copies`. It loads nothing.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from engine.devices import Device, has_cuda, visible_gpus
from engine.errors import BadInput
from engine.models.catalog import ModelSource, resolve, weights_are_here
from engine.models.loader import Placement, bytes_needed
from engine.settings import settings

GIB = 2**30
ROOM = 1.25
"""A copy needs its weights and a quarter more, for keys and values …"""
BASIC_ROOM = GIB
"""… and this, for the CUDA context and what a pass computes in between."""

_NO_GPU = "There is no NVIDIA GPU: one copy of the model answers."
_SHARED_CPU = "STUDIO_COPIES asks for {copies} copies, and there is no NVIDIA GPU: they share the processor."
_SAID = "STUDIO_DEVICE_MAP or STUDIO_MAX_MEMORY says where the model goes: there is one copy."
_COPIES = "The model takes {needed:.1f} GiB, and {places} have room for it and its cache: there is a copy on each, and requests are shared out."
_FITS = "The model takes {needed:.1f} GiB, and {places} has room for it and its cache: there is one copy."
_ONLY_ONE_FITS = (
    "The model takes {needed:.1f} GiB, and only {places} has room for it and its cache: there is one copy, there."
)
_ONE_WANTED = "STUDIO_COPIES asks for one copy: it is on {places}."
_ONE_AFFORDED = "The memory for models (STUDIO_HOST_MEMORY_GIB) has room for one copy: it is on {places}."
_SPREAD = "The model takes {needed:.1f} GiB, and no GPU has room for it and its cache: its layers are spread over {gpus} GPUs."
_OVERFLOW = "The model takes {needed:.1f} GiB, and the GPUs have no room for it and its cache ({free:.1f} GiB are free): layers that do not fit stay in the computer's memory, which is slow."
NOT_HERE = "its files are not here yet; where it goes is decided when they are."


@dataclass(frozen=True)
class Plan:
    """Where the copies of a model go, and why."""

    how: Literal["copies", "dispatch", "single"]
    places: list[str]
    """The device map of each copy: one device, or `auto`."""
    reason: str
    """An English sentence with named gaps; the key of its translation."""
    values: dict[str, Any] = field(default_factory=dict)
    """What fills the gaps."""

    def __str__(self) -> str:
        return self.reason.format(**self.values)


def plan(name: str, needed: int, gpus: list[Device], afforded: int | None = None) -> Plan:
    """Decide for one model.

    Args:
        name: for the message.
        needed: bytes of its weights, as `loader.bytes_needed` estimates them.
        gpus: NVIDIA GPUs that may be used, named as torch names them, with what is free now.
        afforded: copies that the memory budget has room for; more are made only if `STUDIO_COPIES` asks for them.

    Raises:
        BadInput: `STUDIO_COPIES` asks for more copies than there are GPUs with room for one.
    """
    configured, wanted = Placement.from_settings(), settings().copies
    if configured.device_map != "auto" or configured.max_memory:
        return Plan("single", [configured.device_map], _SAID)
    if not gpus:
        if wanted == "auto" or wanted == 1:
            return Plan("single", ["auto"], _NO_GPU)
        return Plan("copies", ["auto"] * wanted, _SHARED_CPU, {"copies": wanted})
    room = ROOM * needed + BASIC_ROOM
    fitting = sorted((gpu for gpu in gpus if gpu.free >= room), key=lambda gpu: -gpu.free)
    most = len(gpus) if afforded is None else max(1, afforded)
    count = min(len(fitting), most) if wanted == "auto" else wanted
    if count > max(1, len(fitting)):
        raise BadInput(
            "GPUs with room for “{name}” and its cache ({room:.1f} GiB): {fitting}. STUDIO_COPIES asks for {copies}: lower it, or choose a smaller model or quantisation.",
            name=name,
            room=room / GIB,
            fitting=len(fitting),
            copies=count,
        )
    if not fitting:
        return _spread(needed, room, gpus)
    places = sorted((gpu.name for gpu in fitting[:count]), key=_number)
    values = {"needed": needed / GIB, "places": ", ".join(places)}
    if count > 1:
        return Plan("copies", places, _COPIES, values)
    return Plan("single", places, _why_one(len(gpus), len(fitting)), values)


def plan_for(model: str | None = None, numbers: list[int] | None = None) -> Plan | None:
    """What `plan` says of a model now; None while its files are not here.

    Args:
        model: as `catalog.resolve` takes it.
        numbers: the GPUs that may be used; by default all.
    """
    source = resolve(model)
    if not weights_are_here(source):
        return None
    gpus = usable_gpus()
    chosen = [gpu for gpu in gpus if numbers is None or _number(gpu.name) in numbers]
    needed, most = size_of(source), settings().host_memory_gib
    return plan(source.name, needed, chosen, None if most is None else int(most * GIB // needed))


def size_of(source: ModelSource) -> int:
    """Bytes that one copy will take, quantised if the settings say so."""
    return bytes_needed(source, Placement.from_settings())


def usable_gpus() -> list[Device]:
    """The GPUs that torch can compute on; none if it was built without CUDA."""
    if not has_cuda():
        return []
    import torch

    return visible_gpus() if torch.cuda.is_available() else []


def _spread(needed: int, room: float, gpus: list[Device]) -> Plan:
    free = sum(gpu.free for gpu in gpus)
    reason = _SPREAD if len(gpus) > 1 and free >= room else _OVERFLOW
    return Plan("dispatch", ["auto"], reason, {"needed": needed / GIB, "gpus": len(gpus), "free": free / GIB})


def _why_one(gpus: int, fitting: int) -> str:
    if gpus == 1:
        return _FITS
    if settings().copies == 1:
        return _ONE_WANTED
    return _ONLY_ONE_FITS if fitting == 1 else _ONE_AFFORDED


def _number(name: str) -> int:
    return int(name.removeprefix("cuda:"))
