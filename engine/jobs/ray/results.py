"""Brings over what a Ray job wrote: progress while it runs, checkpoints as they are sealed, the adapter at the end.

The local run directory is then as if the training had been here. Writes there and into lora_store/, and nothing on the cluster.
"""

import sys
import time
from pathlib import PurePosixPath

from engine.adapters.store import CARD, CONFIG, WEIGHTS, Card, publish
from engine.files import read_json, write_bytes
from engine.jobs.ray.files import JobFiles
from engine.runs import Run
from engine.runs.run import Status
from engine.training import checkpoints
from engine.training.lora_spec import LoraSpec

_SHOWN = ("step", "max_steps", "loss", "steps_at_start", "world_size", "sharding")


def bring_output(files: JobFiles, already: int) -> int:
    """Print what the job printed, as this process's output is the run's log.

    Args:
        files: the job's.
        already: bytes that were brought before.

    Returns:
        Bytes brought by now.
    """
    output = files.output()
    if len(output) > already:
        sys.stdout.write(output[already:].decode("utf-8", "replace"))
        sys.stdout.flush()
    return max(already, len(output))


def bring_progress(files: JobFiles, run: Run, known: Status | None) -> Status | None:
    """Events, samples, logs of the processes and the numbers of the status.

    Args:
        files: the job's.
        run: where to write.
        known: the status that the last call returned; nothing is done if it is still that.

    Returns:
        The job's own status, once it has one.
    """
    there = f"var/runs/{run.id}"
    written = files.read(f"{there}/status.json")
    if not written:  # a busy dashboard gives an empty answer now and then
        return known
    status = Status.model_validate_json(written)
    if status == known:
        return status
    for name in ("events.jsonl", "launch.json"):
        if content := files.read(f"{there}/{name}"):
            write_bytes(run.path / name, content)
    for pattern in ("samples/*.json", "logs/*.txt", "configs/*"):
        for name in files.names(f"{there}/{pattern}"):
            local = run.path / PurePosixPath(name).relative_to(there)
            if not (local.suffix == ".json" and local.exists()):  # those do not change any more
                files.fetch(name, local)
    numbers = {name: value for name, value in status.model_dump().items() if name in _SHOWN}
    if known is None or status.started != known.started:
        numbers["started"] = time.time()  # by this machine's clock: what is left is estimated from it
    run.update(**numbers)
    return status


def bring_checkpoint(files: JobFiles, run: Run, keep: int) -> None:
    """The newest complete checkpoint, unless it is here; until all its files are whole it does not count as complete."""
    there = f"var/runs/{run.id}/checkpoints"
    sealed = [PurePosixPath(name).parent for name in files.names(f"{there}/checkpoint-*/{checkpoints.MANIFEST}")]
    newest = max(sealed, key=lambda path: int(path.name.split("-")[1]), default=None)
    if newest is None:
        return
    local = run.checkpoints / newest.name
    manifest = local / checkpoints.MANIFEST
    if checkpoints.is_complete(local) or not files.fetch(f"{newest}/{checkpoints.MANIFEST}", manifest):
        return
    for name in read_json(manifest):
        files.fetch(f"{newest}/{name}", local / name)
    checkpoints.keep_newest(run.checkpoints, keep)


def bring_adapter(files: JobFiles, spec: LoraSpec, run: Run) -> None:
    """The finished adapter, into lora_store/.

    Raises:
        BadInput: it came damaged, or its name was taken meanwhile.
    """
    folder = run.path / "adapter"
    for name in (CONFIG, WEIGHTS, CARD):
        files.fetch(f"lora_store/{spec.adapter}/{name}", folder / name)
    card = Card.model_validate(read_json(folder / CARD))
    publish(spec.adapter, folder, card.model_copy(update={"spec": spec.model_dump()}))
