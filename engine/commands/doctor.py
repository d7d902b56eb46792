"""`doctor` looks at the machine and changes nothing; `starters` makes the starter models' folders."""

import argparse
import importlib.metadata
import os
import platform
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from engine.commands.output import add_command, say

PACKAGES = (
    "streamlit",
    "torch",
    "transformers",
    "diffusers",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "sqlalchemy",
    "chromadb",
    "sentence-transformers",
)


def add(commands) -> None:
    """Add the parsers."""
    add_command(commands, "doctor", doctor, "show versions, devices, starter models and whether folders can be written")
    add_command(commands, "starters", starters, "make the starter models' folders from their packages")


def doctor(arguments: argparse.Namespace) -> dict[str, Any]:
    """What this installation is made of."""
    from engine.devices import devices
    from engine.diffusion.catalog import INDEX, STARTER_FOLDER
    from engine.knowledge.embedding import EMBEDDINGS
    from engine.models.catalog import STARTER
    from engine.settings import settings

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        versions[package] = importlib.metadata.version(package)
    of = settings()
    folders = [of.var, of.lora_store, of.knowledge_bases, of.runs, of.datasets, of.models]
    result = {
        "versions": versions,
        "devices": [asdict(device) for device in devices()],
        "starters": {
            "chat": (settings().models / STARTER / "config.json").exists(),
            "embedding": all(known.package is None or find_spec(known.package) for known in EMBEDDINGS.values()),
            "image": (STARTER_FOLDER / INDEX).is_file(),
        },
        "chat_placement": _chat_placement(),
        "writable": {str(folder): os.access(folder, os.W_OK) for folder in folders},
    }
    say("Versions:  " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    for device in devices():
        say(
            f"Device:    {device.name}, {device.label}, {device.free / 2**30:.1f} of {device.total / 2**30:.1f} GiB free"
        )
    say(f"Chat:      {result['chat_placement']['model']}: {result['chat_placement']['reason']}")
    for name, found in result["starters"].items():
        state = (
            "ready" if found else "missing: " + ("fetch the project again" if name == "image" else "run `make setup`")
        )
        say(f"Starter:   {name} model {state}")
    for folder, writable in result["writable"].items():
        say(f"Folder:    {folder}" + ("" if writable else " CANNOT BE WRITTEN"))
    return result


def _chat_placement() -> dict[str, Any]:
    """How the default chat model would be put on the machine now."""
    from engine.errors import StudioError
    from engine.models.placement import NOT_HERE, plan_for
    from engine.settings import settings

    model = settings().default_model
    try:
        plan = plan_for(model)
    except StudioError as error:
        return {"model": model, "how": None, "places": [], "reason": str(error)}
    if plan is None:
        return {"model": model, "how": None, "places": [], "reason": NOT_HERE}
    return {"model": model, "how": plan.how, "places": plan.places, "reason": str(plan)}


def starters(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the starter chat model's folder if it is missing."""
    from engine.models.starter import materialise

    folder = materialise()
    say(f"The starter chat model is ready in {folder}.")
    return {"chat": str(folder)}
