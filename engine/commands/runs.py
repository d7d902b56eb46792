"""`runs`: what was started in the background, how far it is, its log; stop it, resume it. Also the worker's own entry."""

import argparse
import contextlib
import sys
import time
from typing import Any

from engine.batch.spec import BatchSpec
from engine.commands.output import FailureWithResult, add_command, add_group, say
from engine.errors import BadInput
from engine.knowledge.specs import SPECS as KNOWLEDGE
from engine.runs import Run, list_runs, open_run
from engine.runs.run import ENDED


def add(commands) -> None:
    """Add the parsers."""
    group = add_group(commands, "runs", "list, show, stop and resume background runs")
    add_command(group, "list", list_, "list the runs")
    for name, function, help_ in (
        ("show", show, "show how far a run is"),
        ("logs", logs, "print a run's log"),
        ("stop", stop, "stop a run: it finishes its step and saves"),
        ("resume", resume, "go on with a run from its last checkpoint"),
    ):
        parser = add_command(group, name, function, help_)
        parser.add_argument("id", metavar="ID")
        if name == "resume":
            parser.add_argument(
                "--set", nargs="+", default=[], metavar="NAME=VALUE", help="change a setting from here on"
            )
            parser.add_argument("--wait", action="store_true", help="stay until the run ends, with a progress bar")
            parser.add_argument("--failed", action="store_true", help="of a batch: ask only its failed rows again")
    parser = add_command(group, "move", move, "give a waiting run another place in the queue")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--to", type=int, default=0, metavar="N", help="0, the default, is the next to begin")
    # what jobs start; a person has no use for it
    for name, function in (("work", work), ("rank", rank)):
        process = commands.add_parser(name)
        process.add_argument("id")
        process.set_defaults(run=function, json=False)


def list_(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All runs, newest first."""
    from engine.jobs import queue

    queue.advance()
    runs = list_runs()
    documents = [describe(run) for run in runs]
    for run, document in zip(runs, documents, strict=True):
        name = (
            document["adapter"]
            or document["dataset"]
            or document["base"]
            or document["file"]
            or run.spec().get("adapter", "")
        )
        say(f"{document['run']}  {document['status']:8} {document['step']}/{document['max_steps']}  {name}")
    if not documents:
        say("No runs yet.")
    return documents


def show(arguments: argparse.Namespace) -> dict[str, Any]:
    """One run."""
    document = describe(open_run(arguments.id))
    for key, value in document.items():
        if value is not None:
            say(f"{key}: {value}")
    return document


def logs(arguments: argparse.Namespace) -> dict[str, Any]:
    """The end of a run's log."""
    from engine.runs.logs import whole_tail

    run = open_run(arguments.id)
    log = whole_tail(run, 1000)
    say(log)
    return {"run": run.id, "log": log}


def stop(arguments: argparse.Namespace) -> dict[str, Any]:
    """Stop and wait for the end."""
    from engine.jobs import local

    run = open_run(arguments.id)
    local.stop(run)
    say(f"Run {run.id} is {run.status().state}.")
    return describe(run)


def resume(arguments: argparse.Namespace) -> dict[str, Any]:
    """Go on from the newest complete checkpoint."""
    from engine.jobs import local
    from engine.training.checkpoints import newest_complete, passed_over, step_of

    run = open_run(arguments.id)
    if arguments.failed:
        return _ask_again(run, arguments.wait)
    skipped, newest = passed_over(run.checkpoints), newest_complete(run.checkpoints)
    local.resume(run, dict(_pair(word) for word in arguments.set))
    if skipped:
        say(f"The checkpoint of step {', '.join(map(str, skipped))} is not whole and is passed over.")
    if run.kind == BatchSpec.kind:
        say(f"Run {run.id} goes on: {run.status().step} rows are done.")
    else:
        say(f"Run {run.id} goes on from step {step_of(newest) if newest else 0}.")
    return _watch(run, arguments.wait)


def _ask_again(run: Run, wait: bool) -> dict[str, Any]:
    from engine.jobs.batch import rerun_failed

    if run.kind != BatchSpec.kind:
        raise BadInput("The run {run} is no batch: it has no rows to ask again.", run=run.id)
    say(f"Rows to be asked again: {rerun_failed(run)}.")
    return _watch(run, wait)


def _watch(run: Run, wait: bool) -> dict[str, Any]:
    """What it is now, or at its end; a batch says what became of its rows."""
    from engine.commands.batch import tell_outcome

    if not wait:
        return describe(run)
    document = follow(run)
    return {**document, **tell_outcome(run)} if run.kind == BatchSpec.kind else document


def move(arguments: argparse.Namespace) -> dict[str, Any]:
    """Change the order of the queue."""
    from engine.jobs import queue

    run = open_run(arguments.id)
    queue.move(run, arguments.to)
    order = [waiting.id for waiting in queue.waiting()]
    for place, waiting in enumerate(order):
        say(f"{place}  {waiting}")
    return {"run": run.id, "queue": order}


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise BadInput("“{word}” is no setting: write NAME=VALUE.", word=word)
    return name.replace("-", "_"), value


def work(arguments: argparse.Namespace) -> None:
    """The leading process of a run."""
    from engine.jobs.worker import work as work_

    work_(arguments.id)


def rank(arguments: argparse.Namespace) -> None:
    """One of several processes of a run."""
    from engine.jobs.rank import rank as rank_

    rank_(arguments.id)


def describe(run: Run) -> dict[str, Any]:
    """The JSON document of one run."""
    status = run.status()
    return {
        "run": run.id,
        "status": status.state,
        "step": status.step,
        "max_steps": status.max_steps,
        "unit": status.unit,
        "adapter": status.adapter,
        "dataset": None if run.kind in KNOWLEDGE or run.kind == BatchSpec.kind else status.subject,
        "base": status.subject if run.kind in KNOWLEDGE else None,
        "file": status.subject if run.kind == BatchSpec.kind else None,
        "result": status.result or None,
        "loss": status.loss,
        "command": run.command(),
        "message": status.reason,
        "seconds_left": status.seconds_left,
        "world_size": status.world_size,
        "sharding": status.sharding,
        "path": str(run.path),
    }


def announce(run: Run, wait: bool) -> dict[str, Any]:
    """Say that a training was started; with `wait` stay until it ends."""
    waits = " when its devices are free" if run.waiting_place() is not None else ""
    say(f"Run {run.id} is on its way{waits}; `python -m engine runs show {run.id}` tells how far it is.")
    return follow(run) if wait else describe(run)


def follow(run: Run) -> dict[str, Any]:
    """Show a progress bar until the run ends; Ctrl-C asks it to stop and waits for that.

    Raises:
        FailureWithResult: the run ended any other way than finished.
    """
    from tqdm import tqdm

    with tqdm(
        desc=run.kind, unit=run.status().unit.removesuffix("s"), file=sys.stderr, disable=not sys.stderr.isatty()
    ) as bar:
        while (status := run.status()).state not in ENDED:
            bar.total = status.max_steps or None
            bar.set_postfix_str(f"loss {status.loss:.4f}" if status.loss is not None else "", refresh=False)
            bar.n = status.step
            bar.refresh()
            try:
                time.sleep(0.5)
            except KeyboardInterrupt:
                run.request_stop()
                with contextlib.suppress(KeyboardInterrupt):
                    say("Stopping as soon as it can; Ctrl-C again leaves it to itself.")
                    continue
    document = describe(run)
    if document["status"] != "finished":
        reason = status.reason or f"`python -m engine runs resume {run.id} --wait` goes on with it."
        raise FailureWithResult(
            "Run {run} is {state}: {reason}", document, run=run.id, state=document["status"], reason=reason
        )
    if status.adapter:
        say(f"Run {run.id} finished: step {status.step}, loss {status.loss:.4f}, adapter “{status.adapter}”.")
    else:
        what = "knowledge base" if run.kind in KNOWLEDGE else "file" if run.kind == BatchSpec.kind else "dataset"
        of = f" of {what} “{status.subject}”" if status.subject else ""
        say(f"Run {run.id} finished: {status.step} {status.unit}{of}.")
    return document
