"""`labelling list | show | export`: the queues of the labelling desk, how far they are, and their labels as a dataset."""

import argparse
from dataclasses import asdict
from typing import Any

from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add `labelling` to the command line."""
    group = add_group(commands, "labelling", "the queues of the labelling desk")
    add_command(group, "list", _list, "list the queues and how far they are")
    add_command(group, "show", _show, "show a queue and who labelled how much").add_argument("name", metavar="NAME")
    export = add_command(group, "export", _export, "put finished labels into a dataset, each once")
    export.add_argument("name", metavar="NAME", help="of the queue")
    export.add_argument("--name", dest="dataset", metavar="DATASET", help="by default the one that the queue names")


def _list(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from engine.labelling.queues import list_queues

    found = [_described(queue) for queue in list_queues()]
    for queue in found:
        say(f"{queue['name']}  {queue['progress']['done']} of {queue['progress']['tasks']} done")
    if not found:
        say("No queues yet: the Labelling page makes them.")
    return found


def _show(arguments: argparse.Namespace) -> dict[str, Any]:
    from engine.labelling.queues import get

    described = _described(get(arguments.name))
    for key, value in described.items():
        say(f"{key}: {value}")
    return described


def _export(arguments: argparse.Namespace) -> dict[str, Any]:
    from engine.labelling.export import make_dataset
    from engine.labelling.queues import get

    queue = get(arguments.name)
    card = make_dataset(queue.model_copy(update={"dataset": arguments.dataset or queue.dataset}))
    say(f"Rows in “{card.name}”: {card.rows}")
    return card.model_dump()


def _described(queue) -> dict[str, Any]:
    from engine.labelling.progress import people, progress

    facts = queue.model_dump(mode="json", exclude={"id"})
    return {**facts, "progress": asdict(progress(queue)), "people": [asdict(person) for person in people(queue)]}
