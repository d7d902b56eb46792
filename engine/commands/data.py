"""`data`: import files as datasets, prepare them for training, list, show, delete."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add the parsers."""
    from engine.data.readers import FORMATS

    group = add_group(commands, "data", "import files as datasets, prepare, list and delete them")
    parser = add_command(group, "import", import_, "make a dataset of one file or several")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--name", required=True, help="of the new dataset")
    parser.add_argument(
        "--format", default="auto", choices=["auto", *FORMATS], help="auto tells it by the first lines of each file"
    )
    _add_prepare(group)
    add_command(group, "list", list_, "list the datasets")
    for name, function, help_ in (
        ("show", show, "show what a dataset is and its first rows"),
        ("delete", delete, "delete a dataset and all that was prepared from it"),
    ):
        add_command(group, name, function, help_).add_argument("name", metavar="NAME")


def _add_prepare(group) -> None:
    parser = add_command(group, "prepare", prepare, "make a dataset ready for training")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--model", help="whose tokenizer and chat template to use; by default the studio's model")
    parser.add_argument("--max-length", type=int, default=1024, help="in tokens; longer rows take more memory to train")
    parser.add_argument(
        "--overlength", choices=["skip", "truncate"], default="skip", help="leave longer rows out, or cut their end off"
    )
    parser.add_argument(
        "--dedup", choices=["none", "exact"], default="none", help="exact keeps the first of equal conversations"
    )
    parser.add_argument("--split", type=float, default=0.02, help="share of rows kept for evaluation, 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="another one sends other rows to evaluation")


def import_(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a dataset of files."""
    from engine.data import registry

    imported = registry.import_files(arguments.files, arguments.name, arguments.format)
    say(f"Rows in “{imported.name}”: {imported.rows}")
    if imported.broken:
        say(f"Lines that could not be read: {imported.broken} ({imported.broken_file} says which and why)")
    return asdict(imported)


def prepare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a dataset ready for training, with a progress bar."""
    from tqdm import tqdm

    from engine.data import registry
    from engine.data.prepare import prepare as prepare_
    from engine.models.loader import load_tokenizer
    from engine.settings import settings

    registry.card(arguments.name)  # a wrong name is told before a tokenizer is loaded
    model = arguments.model or settings().default_model
    tokenizer = load_tokenizer(model)
    with tqdm(desc="prepare", unit="row", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        prepared = prepare_(
            arguments.name,
            tokenizer,
            model,
            max_length=arguments.max_length,
            overlength=arguments.overlength,
            dedup=arguments.dedup,
            split=arguments.split,
            seed=arguments.seed,
            progress=progress,
        )
    say(f"Rows to train on: {prepared.train_rows}; to evaluate with: {prepared.eval_rows}; tokens: {prepared.tokens}")
    for reason, rows in prepared.dropped.items():
        say(f"Left out, {reason}: {rows}")
    return prepared.model_dump(mode="json")


def list_(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All datasets, newest first."""
    from engine.data import registry

    cards = registry.list_datasets()
    for card in cards:
        say(f"{card.name}  {card.kind}  {card.rows} rows")
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


def delete(arguments: argparse.Namespace) -> dict[str, Any]:
    """Delete a dataset."""
    from engine.data import registry

    registry.delete(arguments.name)
    say(f"“{arguments.name}” is deleted.")
    return {"name": arguments.name, "deleted": True}
