"""Starts batches as background runs, goes on with them, and asks their failed rows again."""

import shlex
import shutil

from engine.batch.prompts import check
from engine.batch.results import Appender, Index, results
from engine.batch.spec import BatchSpec
from engine.errors import BadInput
from engine.jobs import queue
from engine.jobs.words import flags
from engine.runs import Run, create_run, list_runs
from engine.runs.run import ENDED
from engine.settings import settings


def start_batch(spec: BatchSpec, attached: bool = False) -> Run:
    """Start a batch in the background, or let it wait for its device. `local.stop` and `local.resume` are as for all runs.

    Args:
        spec: what to do.
        attached: let its process end with this one, as a foreground command's should.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    check(spec)
    spec = _complete(spec)
    run = create_run(spec.kind, spec.model_dump(mode="json"), command_line(spec), subject=spec.file.name)
    if spec.uploads:
        folder = run.path / "input"
        shutil.move(spec.uploads, folder)
        file = folder / spec.file.relative_to(spec.uploads)
        spec = spec.model_copy(update={"file": file, "uploads": None})
        run.describe(spec.model_dump(mode="json"), command_line(spec))
    queue.start(run, attached)
    return run


def same_batch(spec: BatchSpec) -> Run | None:
    """The newest run that was asked for the very same and has not finished."""
    wanted = _complete(spec).model_dump(mode="json")
    run = next((run for run in list_runs() if run.kind == spec.kind and run.spec() == wanted), None)
    return run if run and run.status().state != "finished" else None


def rerun_failed(run: Run) -> int:
    """Ask the failed rows of a run that has ended once more, with other seeds; returns how many. Replies that are there stay.

    Raises:
        BadInput: the run is going on, or no row failed.
    """
    state = run.status().state
    if state not in ENDED:
        raise BadInput("The run {run} is {state}: wait until it has ended, or stop it.", run=run.id, state=state)
    index = Index(run, results(run).rows)
    failed = list(index.read(index.rows(marked=False, done=False)))
    if not failed:
        raise BadInput("No row of the run {run} has failed: there is nothing to ask again.", run=run.id)
    with Appender(run) as appender:
        for result in failed:
            appender.ask_again(result.row, result.attempts)
    queue.start(run)
    return len(failed)


def command_line(spec: BatchSpec) -> str:
    """The command that does the same; of an uploaded file only the name, as its copy here moves when it is started."""
    values = spec.model_dump(exclude_defaults=True, exclude={"file", "uploads", "out"})
    file = spec.file.name if spec.uploads else str(spec.file)
    out = str(spec.out or f"{spec.file.stem}.replies.csv")
    return shlex.join(["python", "-m", "engine", "batch", file, *flags(values), "--out", out])


def _complete(spec: BatchSpec) -> BatchSpec:
    """With everything that depends on where and when it was written spelled out."""
    paths = {"file": spec.file.resolve(), "out": spec.out and spec.out.resolve()}
    uploads = spec.uploads and spec.uploads.resolve()
    return spec.model_copy(update={**paths, "uploads": uploads, "model": spec.model or settings().default_model})
