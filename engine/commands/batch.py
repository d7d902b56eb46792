"""`batch`: a file of rows through a chat model, in the foreground with a progress bar; and `results`, what became of them.

The work is done by a run's own process, which ends with this one: however the command ends, the run can be resumed.
"""

import argparse
from pathlib import Path
from typing import Any

from engine.commands.flags import add_flags, given
from engine.commands.output import FailureWithResult, add_command, say

_TOLD = 10
"""Rows with a trouble that are named."""


def add(commands) -> None:
    """Add the parsers."""
    from engine.batch.spec import BatchOptions

    parser = add_command(
        commands, "batch", batch, "ask a chat model each row of a file; the same command again goes on"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, TSV, JSON lines, a JSON array, XLSX or Parquet")
    add_flags(parser, BatchOptions)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="ends in .csv, .tsv, .jsonl, .xlsx or .parquet"
    )
    parser.add_argument("--preview", action="store_true", help="ask nothing: show the first three rows as messages")
    parser.add_argument("--background", action="store_true", help="only start it, as a background run")
    parser = add_command(
        commands, "results", results, "show what became of a batch's rows, and take its replies further"
    )
    parser.add_argument("id", metavar="ID", help="of the run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows to this file, whatever is missing")
    parser.add_argument("--dataset", metavar="NAME", help="make a dataset of the rows with a reply")
    parser.add_argument("--queue", metavar="NAME", help="make a labelling queue of the rows with a reply")
    parser.add_argument("--by", default="", metavar="WHO", help="of the queue: who makes it")
    parser.add_argument("--column", default="reply", metavar="C", help="whose replies: reply or reply_b")


def batch(arguments: argparse.Namespace) -> Any:
    """Run to the end, or go on with the run that the same command began."""
    from engine.batch.source import is_unchanged
    from engine.batch.spec import BatchOptions, BatchSpec
    from engine.commands.runs import announce
    from engine.fields import parse
    from engine.jobs import queue
    from engine.jobs.batch import same_batch, start_batch
    from engine.runs.run import ENDED

    values = dict(given(arguments, BatchOptions))
    if "json_schema" in values:
        values["json_schema"] = _schema(values["json_schema"])
    spec = parse(BatchSpec, {**values, "file": arguments.file, "out": arguments.out})
    if arguments.preview:
        return _preview(spec)
    attached = not arguments.background
    run = same_batch(spec)
    if run and not is_unchanged(run):
        say(f"{spec.file} has changed since the run {run.id}: its replies stay there, and all rows are asked anew.")
        run = None
    if run:
        say(f"Run {run.id}, which the same command began, goes on: {run.status().step} rows are done.")
        if run.status().state in ENDED:
            queue.start(run, attached)
    else:
        run = start_batch(spec, attached)
    _tell_placement(run, spec.model)
    if arguments.background:
        return announce(run, wait=False)
    try:
        announce(run, wait=True)
    except FailureWithResult as error:
        error.result |= _outcome(run)
        raise
    return tell_outcome(run)


def results(arguments: argparse.Namespace) -> dict[str, Any]:
    """Counts and troubles; and a file, a dataset or a queue, where one is asked for."""
    from engine.batch.onward import to_dataset, to_labelling
    from engine.batch.spec import BatchSpec
    from engine.batch.writing import write_results
    from engine.errors import BadInput
    from engine.files import refuse_file
    from engine.runs import open_run

    run = open_run(arguments.id)
    if run.kind != BatchSpec.kind:
        raise BadInput("The run {run} is no batch: it has no rows to ask again.", run=run.id)
    outcome = tell_outcome(run)
    if arguments.out:
        refuse_file(arguments.out)
        outcome["written"] = write_results(run, arguments.out)
        say(f"{outcome['written']} rows are in {arguments.out}.")
    if arguments.dataset:
        outcome["dataset"] = to_dataset(run, arguments.dataset, arguments.column).model_dump()
        say(f"{outcome['dataset']['rows']} rows are in the dataset “{arguments.dataset}”.")
    if arguments.queue:
        queue, added = to_labelling(run, arguments.queue, arguments.by, arguments.column)
        outcome["queue"] = {"name": queue.name, "tasks": added.added}
        say(f"{added.added} prompts are in the queue “{queue.name}”.")
    return outcome


def _schema(words: str) -> str:
    from engine.errors import BadInput

    if words.lstrip().startswith(("{", "true", "false")):
        return words
    try:
        return Path(words).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            "There is no JSON schema in “{file}”: give a file that holds one, or its text.", file=words
        ) from error


def _preview(spec) -> list[dict[str, Any]]:
    from engine.batch.prompts import preview

    shown = [
        {"row": row.row, "messages": row.messages, "problem": row.problem and str(row.problem)}
        for row in preview(spec.file, spec)
    ]
    for row in shown:
        say(f"── row {row['row']} ──")
        if row["problem"]:
            say(row["problem"])
        for turn in row["messages"]:
            say(f"[{turn['role']}] {turn['content']}")
    return shown


def _tell_placement(run, model: str | None) -> None:
    """Where the model goes, unless the run waits for its devices."""
    from engine.errors import BadInput
    from engine.models.placement import plan_for

    if run.waiting_place() is not None:
        return
    gpus = [int(name.removeprefix("cuda:")) for name in run.status().devices if name.startswith("cuda:")]
    try:
        plan = plan_for(model, gpus)
    except BadInput:
        return  # the run fails with it, and says so
    if plan:
        say(str(plan))


def tell_outcome(run) -> dict[str, Any]:
    """The outcome, in words too."""
    from engine.batch.results import problems

    outcome = _outcome(run)
    say(f"Rows: {outcome['rows']}, done: {outcome['done']}, failed: {outcome['failed']}, marked: {outcome['marked']}.")
    for problem in problems(run, limit=_TOLD):
        say(f"Row {problem.row}: {problem.why or ', '.join(problem.marks)}")
    if outcome["failed_file"]:
        say(f"All rows with a trouble: {outcome['failed_file']}")
    if outcome["failed"]:
        say(f"`python -m engine runs resume {run.id} --failed --wait` asks the failed rows again.")
    for column, figures in outcome["scores"].items():
        say(f"{column}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    if outcome["file"]:
        say(f"{outcome['rows_per_second']:.2f} rows a second; the replies are in {outcome['file']}.")
    return outcome


def _outcome(run) -> dict[str, Any]:
    from engine.batch.results import results

    counts, status = results(run), run.status()
    names = ("rows", "done", "failed", "marked", "rows_per_second", "tokens_per_second", "seconds", "scores")
    files = {name: status.result.get(name) for name in ("file", "failed_file")}
    return {**{name: getattr(counts, name) for name in names}, **files, "run": run.id, "status": status.state}
