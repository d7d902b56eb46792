"""`train`: start a training run, in the background or, with `--wait`, in the foreground with a progress bar.

The flags are made from the spec's fields; see `engine.commands.flags`.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, add_group, say

if TYPE_CHECKING:
    from engine.training.preflight import Verdict
    from engine.training.specs import SftSpec


def add(commands) -> None:
    """Add the parsers."""
    from engine.training.dreambooth_spec import PRESETS, DreamboothSpec
    from engine.training.specs import SftSpec

    group = add_group(commands, "train", "teach a model something")
    sft = add_command(group, "sft", train_sft, "train a LoRA adapter on a dataset of conversations")
    add_flags(sft, SftSpec)
    _add_seed_flags(sft)
    sft.add_argument("--preset", type=Path, metavar="FILE", help="settings from a YAML file; flags overrule it")
    sft.add_argument("--check", action="store_true", help="start nothing: say what it would take and whether it fits")
    sft.add_argument("--wait", action="store_true", help="stay until the run ends, with a progress bar")
    dreambooth = add_command(
        group, "dreambooth", train_dreambooth, "teach a picture model one thing, from a few pictures of it"
    )
    add_flags(dreambooth, DreamboothSpec)
    dreambooth.add_argument(
        "--preset",
        metavar="NAME",
        help=f"settings for a machine ({', '.join(PRESETS)}) or from a YAML file; flags overrule",
    )
    dreambooth.add_argument(
        "--check", action="store_true", help="start nothing: say what it would take and whether it fits"
    )
    dreambooth.add_argument("--wait", action="store_true", help="stay until the run ends, with a progress bar")


def _add_seed_flags(parser: argparse.ArgumentParser) -> None:
    """Flags of scripts for the Hugging Face Trainer that are no other names of ours, so that their command lines work."""
    unset = argparse.SUPPRESS
    parser.add_argument(
        "--output_dir",
        dest="adapter",
        type=lambda path: Path(path).name,
        default=unset,
        help="its last part is --adapter",
    )
    parser.add_argument(
        "--skip_overlength",
        dest="overlength",
        nargs="?",
        const="skip",
        type=_overlength,
        default=unset,
        help="--overlength",
    )
    # prepared rows have no column that is not used
    parser.add_argument("--remove_unused_columns", nargs="?", default=unset, help=unset)


def _overlength(word: str) -> str:
    return "truncate" if word.lower() in ("false", "0", "no") else "skip"


def train_sft(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start, and with `--wait` follow; with `--check` only look."""
    from engine.commands.runs import announce
    from engine.jobs.local import check_training, start_training
    from engine.settings import settings
    from engine.training.presets import load_preset
    from engine.training.specs import SftSpec, parse_spec

    preset = load_preset(arguments.preset) if arguments.preset else {}
    spec = parse_spec({"model": settings().default_model, **preset, **given(arguments, SftSpec)})
    if arguments.check:
        check_training(spec)
        return _check(spec)
    run = start_training(spec)
    return announce(run, arguments.wait)


def train_dreambooth(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start, and with `--wait` follow; with `--check` only look."""
    from engine.commands.runs import announce
    from engine.jobs.local import check_training, start_training
    from engine.settings import settings
    from engine.training.dreambooth_memory import preflight
    from engine.training.dreambooth_spec import PRESETS, DreamboothSpec, completed, parse_dreambooth
    from engine.training.presets import load_preset

    preset = PRESETS.get(arguments.preset) if arguments.preset else {}
    if preset is None:
        preset = load_preset(Path(arguments.preset), DreamboothSpec)
    flags = given(arguments, DreamboothSpec)
    spec = parse_dreambooth({"model": settings().picture_model, **preset, **flags})
    if arguments.check:
        spec = completed(spec)
        check_training(spec)
        return _say_verdict(preflight(spec))
    run = start_training(spec)
    return announce(run, arguments.wait)


def _check(spec: "SftSpec") -> dict[str, Any]:
    from engine.training.preflight import preflight

    return _say_verdict(preflight(spec))


def _say_verdict(verdict: "Verdict") -> dict[str, Any]:
    from engine.training.preflight import gib

    memory = verdict.memory
    say(f"Memory: about {gib(memory.total * verdict.per_device)} of {gib(verdict.free)} free on a device.")
    say(f"Disk: about {gib(verdict.disk)} of {gib(verdict.disk_free)} free.")
    if verdict.steps:
        say(f"Steps: {verdict.steps}" + (f", about {verdict.seconds / 60:.0f} minutes." if verdict.seconds else "."))
    for problem in verdict.problems:
        say(str(problem))
    say("Nothing stands against it." if verdict.fits else "It may not work as asked.")
    return {
        "fits": verdict.fits,
        "problems": [str(problem) for problem in verdict.problems],
        "memory": {**dataclasses.asdict(memory), "total": memory.total, "free": verdict.free},
        "disk": {"needed": verdict.disk, "free": verdict.disk_free},
        "steps": verdict.steps,
        "seconds": verdict.seconds,
    }
