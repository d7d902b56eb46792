"""What a Ray job is sent: our code, and a studio home with no more in it than the one run needs.

The base model is not sent: `engine.jobs.ray.job` says where a job looks for it. Sends nothing itself.
"""

import shutil
from pathlib import Path

from engine.adapters.store import read_adapter
from engine.data import registry
from engine.files import write_json
from engine.runs import Run
from engine.settings import ROOT, settings
from engine.training.checkpoints import newest_complete
from engine.training.lora_spec import LoraSpec
from engine.training.pinning import pinned

HOME = "home"
"""The studio home in the package."""


def fill(folder: Path, spec: LoraSpec, run: Run) -> None:
    """Put everything into an empty folder."""
    shutil.copytree(ROOT / "engine", folder / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    home = folder / HOME
    _dataset(home, pinned(spec.dataset, run))
    for name in spec.adapters:
        shutil.copytree(read_adapter(name).path, home / "lora_store" / name)
    changes = {"executor": "local", **_own_files(folder, spec)}
    _run(home / "var" / "runs" / run.id, spec.model_copy(update=changes), run)


def _dataset(home: Path, reference: str) -> None:
    """One version of a dataset, as its newest; it is tokenised over there, where the model is."""
    card = registry.card(reference)
    source = settings().datasets / card.name
    target = home / "var" / "datasets" / card.name
    (target / "versions").mkdir(parents=True)
    shutil.copyfile(source / "rows.jsonl", target / "rows.jsonl")
    shutil.copyfile(source / "versions" / f"{card.version}.rows", target / "versions" / f"{card.version}.rows")
    for path in (target / "card.json", target / "versions" / f"{card.version}.json"):
        write_json(path, card.model_dump())


def _own_files(folder: Path, spec: LoraSpec) -> dict[str, str]:
    """A person's own configuration files under names of ours, and the settings that name them."""
    changes = {}
    for name in ("deepspeed", "accelerate_config"):
        if file := spec.model_dump()[name]:
            changes[name] = f"own-{name}"
            shutil.copyfile(file, folder / changes[name])
    return changes


def _run(target: Path, spec: LoraSpec, run: Run) -> None:
    """The run directory with its history and its newest complete checkpoint, ready to begin."""
    (target / "checkpoints").mkdir(parents=True)
    (target / "samples").mkdir()
    for name in ("command.txt", "dataset.txt", "events.jsonl"):
        if (run.path / name).exists():
            shutil.copyfile(run.path / name, target / name)
    if checkpoint := newest_complete(run.checkpoints):
        shutil.copytree(checkpoint, target / "checkpoints" / checkpoint.name)
    write_json(target / "spec.json", spec.model_dump())
    begins = {"state": "queued", "place": None, "process": None, "devices": [], "message": None}
    write_json(target / "status.json", run.status().model_copy(update=begins).model_dump())
