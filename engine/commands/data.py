"""`data`: datasets from files and back, clean, prepare, look into, change and compare them."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.commands.bars import bar
from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add the parsers."""
    group = add_group(commands, "data", "import files as datasets, clean, prepare, change, compare and export them")
    _add_import(group)
    _add_prepare(group)
    _add_clean(group)
    _add_export(group)
    add_command(group, "list", list_, "list the datasets")
    for name, function, help_ in (
        ("show", show, "show what a dataset is and its first rows; NAME@3 means its third version"),
        ("versions", versions, "list a dataset's versions and what made each"),
        ("delete", delete, "delete a dataset with all its versions and all that was prepared from it"),
    ):
        add_command(group, name, function, help_).add_argument("name", metavar="NAME")
    _add_changes(group)


def _add_import(group) -> None:
    from engine.data.readers import CONTAINERS, FORMATS

    parser = add_command(group, "import", import_, "make a dataset of one file or several")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a file, or hub:OWNER/NAME[:SPLIT] of a dataset on the hub"
    )
    parser.add_argument("--name", required=True, help="of the new dataset")
    parser.add_argument(
        "--format",
        default="auto",
        choices=["auto", *FORMATS, *CONTAINERS],
        help="what a row means, or how rows lie in the file; auto tells both by the content of each file",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="FIELD=COLUMN",
        help="for tables: which column holds instruction, input, output, …",
    )


def _add_prepare(group) -> None:
    from engine.data.prepared import Options

    parser = add_command(group, "prepare", prepare, "make a dataset ready for training")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--model", help="whose tokenizer and chat template to use; by default the studio's model")
    add_flags(parser, Options)


def _add_clean(group) -> None:
    from engine.data.cleaning import Cleaning

    parser = add_command(group, "clean", clean, "make a cleaned version of a dataset; the old one stays")
    parser.add_argument("name", metavar="NAME")
    add_flags(parser, Cleaning)


def _add_export(group) -> None:
    from engine.data.readers import WRITTEN

    parser = add_command(group, "export", export, "write a dataset to a file")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--format", choices=[*WRITTEN], help="by default the one that can say every row")
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="ends in .jsonl, .json, .csv, .tsv or .parquet; .gz and .zst pack it",
    )


def _add_changes(group) -> None:
    parser = add_command(group, "merge", merge, "make one dataset of several")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--name", required=True, dest="new", help="of the new dataset")
    parser = add_command(group, "search", search, "find rows in which these words stand")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("words", metavar="WORDS")
    parser.add_argument("--limit", type=int, default=20, help="rows at most")
    parser = add_command(group, "replace", replace, "put another record in the place of a row, as a new version")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("row", type=int, metavar="ROW", help="its number, from 1")
    parser.add_argument("record", metavar="JSON", help="the record, as `data show` prints it")
    parser = add_command(group, "remove", remove, "leave rows out, as a new version")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("rows", nargs="+", type=int, metavar="ROW", help="their numbers, from 1")
    parser = add_command(group, "restore", restore, "make an old version the newest again")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("version", type=int, metavar="VERSION")
    parser = add_command(group, "compare", compare, "show what differs between two versions of a dataset")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("old", type=int, metavar="OLD")
    parser.add_argument("new", type=int, metavar="NEW")


def import_(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a dataset of files."""
    import tempfile

    from engine.data.importing import import_files
    from engine.data.readers.hub import download

    with tempfile.TemporaryDirectory() as folder, bar("import", "B") as progress:
        files = [download(name, Path(folder)) if name.startswith("hub:") else Path(name) for name in arguments.files]
        imported = import_files(files, arguments.name, arguments.format, _columns(arguments.columns), progress)
    say(f"Rows in “{imported.name}”: {imported.rows}")
    if imported.broken:
        say(f"Lines that could not be read: {imported.broken} ({imported.broken_file} says which and why)")
    return asdict(imported)


def prepare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a dataset ready for training, with a progress bar."""
    from engine.data import registry
    from engine.data.prepare import prepare as prepare_
    from engine.data.prepared import Options
    from engine.fields import parse
    from engine.models.loader import load_tokenizer
    from engine.settings import settings

    registry.card(arguments.name)  # a wrong name is told before a tokenizer is loaded
    model = arguments.model or settings().default_model
    options = parse(Options, given(arguments, Options))
    with bar("prepare", "row") as progress:
        prepared = prepare_(arguments.name, load_tokenizer(model), model, options, progress)
    say(f"Rows to train on: {prepared.train_rows}; to evaluate with: {prepared.eval_rows}; tokens: {prepared.tokens}")
    for reason, rows in prepared.dropped.items():
        say(f"Left out, {reason}: {rows} (such as row {', '.join(map(str, prepared.examples[reason]))})")
    return prepared.model_dump(mode="json")


def clean(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a cleaned version."""
    from engine.data.clean import clean as clean_
    from engine.data.cleaning import Cleaning
    from engine.fields import parse

    with bar("clean", "row") as progress:
        card, report = clean_(arguments.name, parse(Cleaning, given(arguments, Cleaning)), progress=progress)
    say(f"“{card.name}” is at version {card.version} now, with {card.rows} rows.")
    for reason, rows in [*report.dropped.items(), *report.changed.items()]:
        say(f"{reason}: {rows}")
    return {"name": card.name, "version": card.version, **report.model_dump(mode="json")}


def export(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write a file."""
    from engine.data import registry
    from engine.data.writers import write_file

    card = registry.card(arguments.name)
    format = arguments.format or card.kind
    with bar("export", "row") as progress:
        rows = write_file(
            registry.iterate(card.reference), arguments.out, format, lambda done: progress(done, card.rows)
        )
    say(f"{rows} rows are in {arguments.out}.")
    return {"name": card.name, "version": card.version, "rows": rows, "format": format, "file": str(arguments.out)}


def list_(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All datasets, newest first."""
    from engine.data import registry

    cards = registry.list_datasets()
    for card in cards:
        say(f"{card.name}  {card.kind}  {card.rows} rows  version {card.version}")
    if not cards:
        say("No datasets yet: `python -m engine data import FILE --name NAME` makes one.")
    return [card.model_dump() for card in cards]


def show(arguments: argparse.Namespace) -> dict[str, Any]:
    """One dataset."""
    from engine.data import registry

    card = registry.card(arguments.name).model_dump()
    for key, value in card.items():
        say(f"{key}: {value}")
    for row in registry.rows(arguments.name, limit=3):
        say(row.model_dump_json(exclude_defaults=True))
    return card


def versions(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All versions of one dataset."""
    from engine.data import registry

    cards = registry.versions(arguments.name)
    for card in cards:
        say(f"{card.reference}  {card.rows} rows  {card.change.get('action', '')}")
    return [card.model_dump() for card in cards]


def delete(arguments: argparse.Namespace) -> dict[str, Any]:
    """Delete a dataset."""
    from engine.data import registry

    registry.delete(arguments.name)
    say(f"“{arguments.name}” is deleted.")
    return {"name": arguments.name, "deleted": True}


def merge(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make one dataset of several."""
    from engine.data import registry

    return _told(registry.merge(arguments.names, arguments.new))


def search(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Find rows."""
    from engine.data import registry

    numbers = registry.search(arguments.name, arguments.words, limit=arguments.limit)
    found = [
        (number, registry.rows(arguments.name, number, 1)[0].model_dump(exclude_defaults=True)) for number in numbers
    ]
    for number, record in found:
        say(f"{number + 1}: {record}")
    if not found:
        say("No row has these words.")
    return [{"row": number + 1, **record} for number, record in found]


def replace(arguments: argparse.Namespace) -> dict[str, Any]:
    """Change a row."""
    from engine.data import editing, registry
    from engine.data.records import RECORDS, plain_reason
    from engine.errors import BadInput

    card = registry.card(arguments.name)
    try:
        record = RECORDS[card.kind].model_validate_json(arguments.record)
    except ValueError as error:
        raise BadInput("The row cannot be used: {reason}.", reason=plain_reason(error)) from error
    return _told(editing.replace_row(card.name, arguments.row - 1, record, card.version))


def remove(arguments: argparse.Namespace) -> dict[str, Any]:
    """Leave rows out."""
    from engine.data import editing, registry

    card = registry.card(arguments.name)
    return _told(editing.delete_rows(card.name, [row - 1 for row in arguments.rows], card.version))


def restore(arguments: argparse.Namespace) -> dict[str, Any]:
    """Go back to an old version."""
    from engine.data import editing

    return _told(editing.restore(arguments.name, arguments.version))


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """What differs between two versions."""
    from engine.data.compare import compare as compare_

    found = compare_(arguments.name, arguments.old, arguments.new)
    for word, rows in (
        ("kept", found.kept),
        ("changed", found.changed_rows),
        ("removed", found.removed_rows),
        ("added", found.added_rows),
    ):
        say(f"{word}: {rows}")
    return asdict(found)


def _told(card) -> dict[str, Any]:
    say(f"“{card.name}” is at version {card.version} now, with {card.rows} rows.")
    return card.model_dump()


def _columns(words: list[str]) -> dict[str, str]:
    from engine.errors import BadInput

    for word in words:
        if "=" not in word:
            raise BadInput("“{word}” is no mapping: write FIELD=COLUMN, such as instruction=question.", word=word)
    return dict(word.split("=", 1) for word in words)  # pyright: ignore[reportReturnType]
