"""`feedback import | export | stats | withdraw | readmit`: judgements in and out of the database and of training data."""

import argparse
from pathlib import Path
from typing import Any

from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add `feedback` to the command line."""
    group = add_group(commands, "feedback", "what people think of replies")
    reading = add_command(group, "import", _import, "take in a file of judgements, one JSON object a line")
    reading.add_argument("file", type=Path, metavar="FILE", help="what `export --format jsonl` or `pictures` wrote")
    reading.add_argument("--annotator", help="who judged, for lines that do not say so")
    writing = add_command(group, "export", _export, "write judgements, or training data made of them, as JSON lines")
    writing.add_argument("--format", required=True, choices=["jsonl", "sft", "preference", "unpaired", "pictures"])
    writing.add_argument("--out", required=True, type=Path, metavar="FILE")
    writing.add_argument("--annotator", help="only this person's")
    writing.add_argument("--kind", choices=["rating", "comparison", "kept"], help="only this kind")
    writing.add_argument("--since", metavar="DATE", help="only from this day or moment on, in UTC: 2026-11-30")
    add_command(group, "stats", _stats, "count judgements and measure how far people agree")
    for name, run, help_ in (
        ("withdraw", _withdraw, "learn no more from what a person said, and list the adapters that did"),
        ("readmit", _readmit, "take a withdrawal back"),
    ):
        add_command(group, name, run, help_).add_argument("annotator", help="the person")


def _import(arguments: argparse.Namespace) -> dict[str, Any]:
    from engine.feedback.export import import_jsonl
    from engine.files import write_text
    from engine.settings import settings

    done = import_jsonl(arguments.file, arguments.annotator)
    broken_file = None
    if done.broken:
        broken_file = settings().var / f"feedback-{arguments.file.name[:80]}.broken.txt"
        write_text(broken_file, "".join(f"{number}: {reason}\n" for number, reason in done.broken.items()))
    say(f"{done.rows} rows read, {done.known} of them already here.")
    if broken_file:
        say(f"{len(done.broken)} broken lines, listed in {broken_file}.")
    return {
        "rows": done.rows,
        "known": done.known,
        "broken": len(done.broken),
        "broken_file": broken_file and str(broken_file),
    }


def _export(arguments: argparse.Namespace) -> dict[str, Any]:
    from engine.feedback import pictures
    from engine.feedback.export import FORMATS, export_rows
    from engine.feedback.store import FeedbackFilter, find

    chosen = FeedbackFilter(arguments.annotator, arguments.kind, since=_moment(arguments.since))
    if arguments.format == "pictures":
        rows = pictures.to_jsonl(reversed(pictures.find(chosen)))
    else:
        rows = FORMATS[arguments.format](reversed(find(chosen)))
    export_rows(arguments.out, rows)
    say(f"{len(rows)} rows written to {arguments.out}.")
    return {"rows": len(rows), "file": str(arguments.out)}


def _stats(arguments: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import asdict

    from engine.feedback import pictures
    from engine.feedback.picture_figures import figures
    from engine.feedback.stats import Tally, agreement, summarise
    from engine.feedback.store import find

    rows = find()
    summary = summarise(rows)
    agreements = {field: agreement(rows, field) for field in ("verdict", "rating")}

    def plain(tallies: dict[str, Tally]) -> dict[str, dict[str, Any]]:
        return {name: {**asdict(tally), "good_share": tally.good_share} for name, tally in tallies.items()}

    say(_line("all", summary.total), *(f" {number} {kind}" for kind, number in summary.kinds.items()))
    for title, tallies in (("person", summary.annotators), ("adapter", summary.adapters), ("day", summary.days)):
        for name, tally in tallies.items():
            say(_line(f"{title} {name or '(base model)'}", tally))
    for field, found in agreements.items():
        alpha = "undefined" if found.alpha is None else f"{found.alpha:.3f}"
        say(f"Agreement on {field}s: alpha {alpha}, {found.replies} shared replies, {found.annotators} people.")
    drawn = figures(pictures.find())
    if drawn.rows:
        say(_line("pictures", drawn), f" {drawn.comparisons} comparison")
        for title, standings in (("model", drawn.models), ("LoRA", drawn.loras)):
            for name, standing in standings.items():
                say(_fared(f"pictures of {title} {name or '(none)'}", standing))
    return {
        **plain({"all": summary.total})["all"],
        "kinds": summary.kinds,
        "days": plain(summary.days),
        "annotators": plain(summary.annotators),
        "adapters": plain(summary.adapters),
        "agreement": {field: asdict(found) for field, found in agreements.items()},
        "pictures": {
            **{name: getattr(drawn, name) for name in ("rows", "good", "bad", "comparisons")},
            "models": {name: _standing(each) for name, each in drawn.models.items()},
            "loras": {name: _standing(each) for name, each in drawn.loras.items()},
        },
    }


def _standing(standing) -> dict[str, Any]:
    from dataclasses import asdict

    rate = standing.win_rate
    return {
        "good": standing.good,
        "bad": standing.bad,
        "good_share": standing.good_share,
        "good_interval": standing.good_interval,
        "win_rate": rate and asdict(rate),
    }


def _withdraw(arguments: argparse.Namespace) -> dict[str, Any]:
    from engine.feedback.withdrawn import withdraw

    return _told(arguments.annotator, withdraw(arguments.annotator), "are left out of training data from now on")


def _readmit(arguments: argparse.Namespace) -> dict[str, Any]:
    from engine.feedback.withdrawn import readmit

    return _told(arguments.annotator, readmit(arguments.annotator), "count in training data again")


def _told(annotator: str, rows: int, what: str) -> dict[str, Any]:
    from engine.preferences.lineage import adapters_of

    adapters = adapters_of(annotator)
    say(f"{rows} judgements of {annotator} {what}.")
    if adapters:
        say(f"Adapters that learnt from them: {', '.join(adapters)}.")
    return {"annotator": annotator, "rows": rows, "adapters": adapters}


def _line(title: str, tally) -> str:
    share = "" if tally.good_share is None else f" ({tally.good_share:.0%} good)"
    return f"{title}: {tally.rows} rows, {tally.good} good, {tally.bad} bad{share}"


def _fared(title: str, standing) -> str:
    words = [f"{title}: {standing.good} good, {standing.bad} bad"]
    if standing.good_share is not None:
        low, high = standing.good_interval
        words.append(f"{standing.good_share:.0%} good ({low:.0%} to {high:.0%})")
    if rate := standing.win_rate:
        words.append(f"{rate.rate:.0%} of {rate.total} comparisons won ({rate.low:.0%} to {rate.high:.0%})")
    return ", ".join(words)


def _moment(words: str | None):
    from datetime import datetime

    from engine.errors import BadInput

    try:
        return datetime.fromisoformat(words) if words else None
    except ValueError:
        raise BadInput("“{date}” is not a date: write it as 2026-11-30.", date=words) from None
