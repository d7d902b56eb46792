"""One verdict before a training starts: memory, steps, disk, port and data, and what to change where it will not do.

Looks and counts; changes nothing and loads no weights.
"""

import contextlib
import math
import shutil
import socket
from dataclasses import dataclass, field

from engine.data import registry
from engine.data.prepared import Prepared, list_prepared
from engine.data.records import Message
from engine.data.split import falls_to_eval
from engine.data.tokenise import TemplateProblem, encode
from engine.devices import devices, has_cuda
from engine.errors import BadInput, StudioError
from engine.models.loader import load_tokenizer
from engine.settings import settings
from engine.training.estimate import Estimate, estimate
from engine.training.launch.command import check
from engine.training.memory import Memory, Shape, checkpoint_bytes, needed, shape
from engine.training.specs import SftSpec
from engine.training.training_spec import TrainingSpec

_LOOKED_AT = 500
"""Conversations that are tried with the chat template."""


@dataclass(frozen=True)
class Verdict:
    """What is known before the start. Sizes in bytes."""

    memory: Memory
    """That one device needs."""
    free: int
    """On the device that has least."""
    per_device: int
    """Processes that share one device: all of them, on a CPU."""
    disk: int
    disk_free: int
    prepared: Prepared | None
    """Tokens and lengths are known only once the data are prepared."""
    steps: int | None
    seconds: float | None
    problems: list[StudioError] = field(default_factory=list)
    """What stands against it, each with what to change; the run may still be started."""

    @property
    def fits(self) -> bool:
        """Whether nothing stands against it."""
        return not self.problems


def preflight(spec: SftSpec) -> Verdict:
    """Look at what a spec asks for and at what there is.

    Raises:
        BadInput: the model or the dataset cannot be read at all; or as `launch.command.check` says.
    """
    check(spec)
    prepared = _prepared(spec)
    seen = _look_at_rows(spec)
    longest = _longest(prepared) or seen.longest
    model = shape(spec.model)
    rows = prepared.train_rows if prepared else seen.train_rows
    fullest = spec.model_copy(update={"batch_size": min(spec.batch_size, max(1, rows))}) if rows else spec
    memory = needed(fullest, model, longest)
    free, per_device = free_memory(spec)
    disk = checkpoint_bytes(spec, model) * (spec.save_total_limit + 2)
    disk_free = shutil.disk_usage(settings().runs).free
    ahead = _estimate(spec, prepared)
    problems = [disk_problem(disk, disk_free), seen.problem]
    if spec.executor == "local":  # a cluster's memory and ports are not known here
        problems += [_memory_problem(fullest, model, memory, free, per_device, longest), _port_problem(spec)]
    return Verdict(
        memory=memory,
        free=free,
        per_device=per_device,
        disk=disk,
        disk_free=disk_free,
        prepared=prepared,
        steps=spec.max_steps or (ahead.steps if ahead else _steps(spec, seen.train_rows)),
        seconds=ahead.seconds if ahead else None,
        problems=[problem for problem in problems if problem],
    )


def gib(size: float) -> str:
    """A size for a sentence; in MiB where GiB would be 0.0."""
    return f"{size / 2**20:.1f} MiB" if 0 < size < 2**30 / 20 else f"{size / 2**30:.1f} GiB"


def _prepared(spec: SftSpec) -> Prepared | None:
    for prepared in list_prepared(registry.split_reference(spec.dataset)[0]):
        if prepared.model == spec.model and prepared.options == spec.preparation:
            return prepared
    return None


def _longest(prepared: Prepared | None) -> int | None:
    """Tokens of the longest row that is trained on, to the next bar of the histogram."""
    if prepared is None:
        return None
    highest = max((place for place, count in enumerate(prepared.lengths) if count), default=0)
    return min(prepared.options.max_length, (highest + 1) * 64)


def _estimate(spec: SftSpec, prepared: Prepared | None) -> Estimate | None:
    if prepared is None:
        return None
    ahead = estimate(prepared, spec.batch_size * spec.world_size, spec.grad_accum, spec.epochs)
    if spec.max_steps and ahead.seconds:
        return Estimate(spec.max_steps, ahead.seconds * spec.max_steps / max(1, ahead.steps))
    return ahead


def free_memory(spec: TrainingSpec) -> tuple[int, int]:
    """Free bytes of the fullest device that would be used, and how many processes share one."""
    there = devices()
    gpus = [device for device in there if device.name != "cpu"]
    if not gpus:
        return there[-1].free, spec.nproc
    chosen = [gpu for number, gpu in enumerate(gpus) if not spec.gpus or number in spec.gpus]
    return min(device.free for device in chosen), 1


def _memory_problem(
    spec: SftSpec, model: Shape, memory: Memory, free: int, per_device: int, longest: int | None
) -> BadInput | None:
    if memory.total * per_device <= free:
        return None
    values = {"needed": gib(memory.total * per_device), "free": gib(free)}
    for change, other in _smaller(spec):
        sharing = min(per_device, other.nproc)
        if needed(other, model, longest).total * sharing <= free:
            return BadInput(
                "It needs about {needed} on a device, and {free} are free. This would fit: {change}.",
                change=change,
                **values,
            )
    return BadInput(
        "It needs about {needed} on a device, and {free} are free: choose a smaller model, or free some memory.",
        **values,
    )


def _smaller(spec: SftSpec) -> list[tuple[str, SftSpec]]:
    """Changes that save memory, the least painful first; each keeps those before it."""
    found = []
    if spec.nproc > 1 and not has_cuda():  # on a CPU they share one memory
        spec = spec.model_copy(update={"nproc": 1})
        found.append(("--nproc 1", spec))
    if not spec.gradient_checkpointing:
        spec = spec.model_copy(update={"gradient_checkpointing": True})
        found.append(("--gradient-checkpointing", spec))
    while spec.batch_size > 1:
        half = {"batch_size": spec.batch_size // 2, "grad_accum": spec.grad_accum * 2}
        spec = spec.model_copy(update=half)
        words = f"--batch-size {spec.batch_size} --grad-accum {spec.grad_accum}"
        found.append((f"--gradient-checkpointing {words}", spec))
    if spec.world_size > 1 and spec.zero < 3 and spec.quantization == "none":
        spec = spec.model_copy(update={"zero": 3})
        found.append((f"--zero 3 --gradient-checkpointing --batch-size 1 --grad-accum {spec.grad_accum}", spec))
    while spec.max_length > 256:
        spec = spec.model_copy(update={"max_length": spec.max_length // 2})
        words = f"--max-length {spec.max_length} --gradient-checkpointing --batch-size 1 --grad-accum {spec.grad_accum}"
        found.append((words, spec))
    return found


def disk_problem(disk: int, free: int) -> BadInput | None:
    """What stands against so many bytes of checkpoints."""
    if disk <= free:
        return None
    return BadInput(
        "The checkpoints need about {needed} of disk, and {free} are free: delete old runs, or keep fewer checkpoints.",
        needed=gib(disk),
        free=gib(free),
    )


def _port_problem(spec: SftSpec) -> BadInput | None:
    if not spec.main_address or spec.node_rank:
        return None
    port = spec.main_address.rpartition(":")[2]
    try:
        with socket.socket() as probe:
            probe.bind(("", int(port)))
    except (OSError, ValueError, OverflowError):
        return BadInput("The port {port} cannot be used here: choose a free one in main_address.", port=port)
    return None


@dataclass(frozen=True)
class _Seen:
    """What a look at the first conversations gave."""

    longest: int | None = None
    """Tokens, if all there are were looked at."""
    train_rows: int | None = None
    """Likewise."""
    problem: StudioError | None = None


def _look_at_rows(spec: SftSpec) -> _Seen:
    """Whether the model's chat template takes the dataset's conversations and leaves something to learn."""
    tokenizer = load_tokenizer(spec.model)
    card = registry.card(spec.dataset)
    lengths, train_rows = [], 0
    for row in registry.raw_rows(card, 0, _LOOKED_AT):
        with contextlib.suppress(TemplateProblem):
            encoded = encode([Message(**turn) for turn in row["messages"]], tokenizer, spec.completion_only)
            if not encoded.trains or (spec.overlength == "skip" and len(encoded.input_ids) > spec.max_length):
                continue
            lengths.append(min(len(encoded.input_ids), spec.max_length))
            train_rows += not falls_to_eval(row, spec.eval_split, spec.seed)
    if lengths or not card.rows:
        whole = card.rows <= _LOOKED_AT
        return _Seen(max(lengths), train_rows) if whole and lengths else _Seen()
    return _Seen(
        problem=BadInput(
            "None of the first conversations of “{dataset}” can be learnt: the chat template of “{model}” does not take "
            "them, or all are longer than max_length. Look at the dataset's preview.",
            model=spec.model,
            dataset=spec.dataset,
        )
    )


def _steps(spec: SftSpec, rows: int | None) -> int | None:
    if not rows:
        return None
    return math.ceil(math.ceil(rows / (spec.batch_size * spec.world_size * spec.grad_accum)) * spec.epochs)
