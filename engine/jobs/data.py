"""Background runs about datasets: import, clean, prepare, export. Each is a few calls into `engine.data`, with progress.

A stop takes effect at the next look at the flag, a moment later; import and preparation are then resumed where they were,
the others begin anew and have changed nothing.
"""

import shlex
import shutil
from pathlib import Path
from typing import Any

from engine.data import registry
from engine.data.clean import clean, refuse_no_step
from engine.data.importing import import_files
from engine.data.prepare import prepare
from engine.data.readers.hub import download
from engine.data.specs import SPECS, CleanSpec, DataSpec, ExportSpec, ImportSpec, PrepareSpec
from engine.data.writers import write_file
from engine.jobs.progress import Progress, status_progress
from engine.jobs.words import flags
from engine.models.loader import load_tokenizer
from engine.runs import Run


def run_data(run: Run) -> None:
    """Do what the run's spec asks for; its result stands in the status afterwards.

    Raises:
        Stopped: somebody asked it to stop.
    """
    spec = SPECS[run.kind].model_validate(run.spec())
    run.update(unit="bytes" if run.kind == "import" else "rows", subject=subject(spec))
    run.update(result=_recipe(spec, run))


def subject(spec: DataSpec) -> str:
    """The name of the dataset that it is about."""
    return spec.name if isinstance(spec, ImportSpec) else registry.split_reference(spec.dataset)[0]


def check(spec: DataSpec) -> None:
    """Refuse now what would fail later.

    Raises:
        BadInput: with what to do.
    """
    if isinstance(spec, ImportSpec):
        with registry.free_name(spec.name):
            return
    registry.card(spec.dataset)
    if isinstance(spec, CleanSpec):
        refuse_no_step(spec.options)


def command_line(spec: DataSpec) -> str:
    """The command that does the same."""
    words = ["python", "-m", "engine", "data", spec.kind]
    if isinstance(spec, ImportSpec):
        columns = [f"{field}={column}" for field, column in spec.columns.items()]
        return shlex.join([*words, *spec.files, *flags({"name": spec.name, "format": spec.format, "columns": columns})])
    if isinstance(spec, ExportSpec):
        return shlex.join([*words, spec.dataset, *flags({"format": spec.format, "out": spec.file})])
    model = flags({"model": spec.model}) if isinstance(spec, PrepareSpec) else []
    return shlex.join([*words, spec.dataset, *model, *flags(spec.options.model_dump(exclude_defaults=True))])


def _recipe(spec: DataSpec, run: Run) -> dict[str, Any]:
    progress = status_progress(run)
    if isinstance(spec, ImportSpec):
        return _import(spec, run, progress)
    if isinstance(spec, CleanSpec):
        card, report = clean(spec.dataset, spec.options, spec.by, progress)
        return {"version": card.version, **report.model_dump(mode="json")}
    if isinstance(spec, PrepareSpec):
        prepared = prepare(spec.dataset, load_tokenizer(spec.model), spec.model, spec.options, progress)
        return prepared.model_dump(mode="json")
    return _export(spec, progress)


def _import(spec: ImportSpec, run: Run, progress: Progress) -> dict[str, Any]:
    fetched = run.path / "fetched"
    files = [download(file, fetched) if file.startswith("hub:") else Path(file) for file in spec.files]
    imported = import_files(files, spec.name, spec.format, spec.columns, progress)
    for copies in (spec.uploads, fetched):
        if copies:
            shutil.rmtree(copies, ignore_errors=True)
    return {"rows": imported.rows, "broken": imported.broken, "reasons": imported.reasons}


def _export(spec: ExportSpec, progress: Progress) -> dict[str, Any]:
    card = registry.card(spec.dataset)
    rows = write_file(
        registry.iterate(card.reference), spec.file, spec.format, progress=lambda done: progress(done, card.rows)
    )
    return {"rows": rows, "file": str(spec.file)}
