"""`adapters`: what lies in lora_store/."""

import argparse
from pathlib import Path
from typing import Any

from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add the parsers."""
    group = add_group(commands, "adapters", "list, show, import and delete adapters")
    add_command(group, "list", list_, "list the adapters")
    add_command(group, "show", show, "show where an adapter comes from").add_argument("name", metavar="NAME")
    importer = add_command(group, "import", import_, "copy an adapter from a folder in PEFT's layout into the store")
    importer.add_argument("file", metavar="FILE", type=Path, help="the folder, or the .safetensors file in it")
    importer.add_argument("--name", required=True, metavar="NAME", help="its name in the store")
    add_command(group, "delete", delete, "delete an adapter").add_argument("name", metavar="NAME")


def list_(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All adapters, newest first."""
    from engine.adapters.store import list_adapters

    adapters = list_adapters()
    for adapter in adapters:
        say(f"{adapter.name:30} {adapter.card.kind:7} {adapter.card.method:8} on {adapter.card.base_model}")
    if not adapters:
        say("No adapters yet: `python -m engine train sft` makes one.")
    return [_document(adapter) for adapter in adapters]


def show(arguments: argparse.Namespace) -> dict[str, Any]:
    """One adapter."""
    from engine.adapters.store import read_adapter

    document = _document(read_adapter(arguments.name))
    for key, value in document.items():
        say(f"{key}: {value}")
    return document


def import_(arguments: argparse.Namespace) -> dict[str, Any]:
    """Copy one in."""
    from engine.adapters.store import import_adapter

    adapter = import_adapter(arguments.file, arguments.name)
    say(f"The adapter “{adapter.name}” is in the store.")
    return _document(adapter)


def delete(arguments: argparse.Namespace) -> dict[str, Any]:
    """Remove one."""
    from engine.adapters.store import delete_adapter

    delete_adapter(arguments.name)
    say(f"The adapter “{arguments.name}” is deleted.")
    return {"deleted": arguments.name}


def _document(adapter) -> dict[str, Any]:
    described = {"name": adapter.name, "rank": adapter.rank, "alpha": adapter.alpha}
    fingerprint = adapter.fingerprint if adapter.card.kind != "image" else None
    return {**described, "fingerprint": fingerprint, **adapter.card.model_dump(), "path": str(adapter.path)}
