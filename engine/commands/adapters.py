"""`adapters`: what lies in lora_store/, how good it is, and how it leaves the studio."""

import argparse
from pathlib import Path
from typing import Any

from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add the parsers."""
    from engine.adapters.export import FORMATS
    from engine.adapters.merging.merge import DTYPES
    from engine.training.evaluation_specs import EvaluateOptions

    group = add_group(
        commands, "adapters", "list, show, import, evaluate, merge, fuse, promote, export and delete adapters"
    )
    add_command(group, "list", list_, "list the adapters")
    add_command(group, "show", show, "show where an adapter comes from").add_argument("name", metavar="NAME")
    importer = add_command(
        group, "import", import_, "copy an adapter into the store, from PEFT's, kohya's or diffusers' files"
    )
    importer.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="a folder in PEFT's layout, the .safetensors file in it, a zip of its files, or a picture model's LoRA as "
        ".safetensors with kohya's or diffusers' keys",
    )
    importer.add_argument("--name", required=True, metavar="NAME", help="its name in the store")
    add_command(group, "delete", delete, "delete an adapter").add_argument("name", metavar="NAME")
    measure = add_command(group, "evaluate", evaluate, "measure an adapter against its base")
    measure.add_argument("name", metavar="NAME")
    add_flags(measure, EvaluateOptions)
    measure.add_argument("--wait", action="store_true", help="stay until the run ends, with a progress bar")
    _add_merge(group)
    fuser = add_command(group, "fuse", fuse, "merge an adapter into its base: a model that needs no adapter")
    fuser.add_argument(
        "adapters",
        metavar="NAME[:WEIGHT]",
        nargs="+",
        help="the adapter; of picture models' several too, and weights, as for `draw --lora`",
    )
    fuser.add_argument(
        "--out", required=True, metavar="DIR", type=Path, help="the folder to make; in var/models/ the studio offers it"
    )
    fuser.add_argument("--model", metavar="M", help="for picture models: another base of the same kind")
    fuser.add_argument("--dtype", choices=DTYPES, help="for picture models: of the new weights (default: the base's)")
    fuser.add_argument("--gguf", metavar="FILE", type=Path, help="make a GGUF file too, with llama.cpp's converter")
    fuser.add_argument("--upload", metavar="REPOSITORY", help="put it on the hub too, as OWNER/NAME, private if new")
    promoter = add_command(
        group, "promote", promote, "make an adapter the default in the chat page, for its base model"
    )
    promoter.add_argument("name", metavar="NAME")
    demoter = add_command(group, "demote", demote, "undo the last promotion: the one before it holds again, or none")
    for parser in (promoter, demoter):
        parser.add_argument("--by", default="command line", metavar="PERSON", help="who decides")
    exporter = add_command(group, "export", export, "write an adapter to a file, to hand on")
    exporter.add_argument("name", metavar="NAME")
    exporter.add_argument(
        "--format",
        choices=FORMATS,
        help="peft: a zip of PEFT's files; kohya, for picture models: what A1111 and ComfyUI load; by default kohya for "
        "picture models, else peft",
    )
    exporter.add_argument(
        "--fold",
        action="store_true",
        help="multiply alpha / rank into the weights, for programs that do not look for alpha, such as old diffusers",
    )
    exporter.add_argument("--out", required=True, metavar="FILE", type=Path, help="the file to make")


def _add_merge(group) -> None:
    from engine.adapters.merging.merge import DTYPES
    from engine.adapters.merging.methods import DENSITY, METHODS

    merger = add_command(group, "merge", merge, "make one adapter of several of the same base model")
    merger.add_argument(
        "adapters",
        metavar="NAME:WEIGHT",
        nargs="+",
        help="an adapter and its weight, such as red:0.7; a negative one takes away, none is 1",
    )
    merger.add_argument("--name", required=True, metavar="NAME", help="the new adapter's name")
    merger.add_argument(
        "--method",
        choices=list(METHODS),
        default="cat",
        help="cat is exact, its ranks add up; the others are approximate by nature and mostly keep the rank",
    )
    merger.add_argument("--rank", type=int, metavar="N", help="svd: rank of the result; the largest of the adapters'")
    merger.add_argument(
        "--density",
        type=float,
        metavar="SHARE",
        help=f"ties, dare_*, magnitude_prune: share of the values that stay; {DENSITY} if not given",
    )
    merger.add_argument("--seed", type=int, metavar="N", help="dare_*: which values are drawn; 0 if not given")
    merger.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="of the new file: the smaller ones round, which the error shows",
    )


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
    from engine.adapters.importing import import_adapter

    adapter = import_adapter(arguments.file, arguments.name)
    say(f"The adapter “{adapter.name}” is in the store.")
    return _document(adapter)


def delete(arguments: argparse.Namespace) -> dict[str, Any]:
    """Remove one."""
    from engine.adapters.store import delete_adapter

    delete_adapter(arguments.name)
    say(f"The adapter “{arguments.name}” is deleted.")
    return {"deleted": arguments.name}


def evaluate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Start, and with `--wait` follow and print the figures."""
    from engine.commands.runs import describe, follow
    from engine.fields import parse
    from engine.jobs.evaluation import start_evaluation
    from engine.training.evaluation_specs import EvaluateOptions, EvaluateSpec

    run = start_evaluation(parse(EvaluateSpec, {"adapter": arguments.name, **given(arguments, EvaluateOptions)}))
    say(f"Run {run.id} is on its way; `python -m engine runs show {run.id}` tells how far it is.")
    if not arguments.wait:
        return describe(run)
    document = follow(run)
    figures = document["result"]["figures"]
    say(f"{'':12} {'base':>10} {'adapter':>10}")
    for name, value in figures["base"].items():
        say(f"{name:12} {_number(value)} {_number(figures['adapter'][name])}")
    return document


def fuse(arguments: argparse.Namespace) -> dict[str, Any]:
    """Merge; then convert and upload, if asked to. What cannot be done is refused before anything is."""
    from dataclasses import asdict

    from engine.adapters.store import read_adapter
    from engine.errors import BadInput
    from engine.files import refuse_file
    from engine.models import share
    from engine.models.fuse import fuse as fuse_

    first = arguments.adapters[0].split(":")[0].split(",")[0]
    if read_adapter(first).card.kind == "image":
        return _fuse_pictures(arguments)
    if len(arguments.adapters) > 1 or arguments.adapters[0] != first:
        raise BadInput(
            "Chat adapters are merged into their base one at a time and with weight 1: `adapters merge` comes first."
        )
    if arguments.model or arguments.dtype:
        raise BadInput("--model and --dtype are for adapters of picture models: leave them out.")
    if arguments.gguf:
        share.find_converter()
        refuse_file(arguments.gguf)
    if arguments.upload:
        share.check_repository(arguments.upload)
    fused = fuse_(first, arguments.out)
    say(f"The merged model is in {fused.path}, in {fused.dtype}; logits differ from those of base and adapter")
    say(f"by {fused.max_error:.1g} as merged, and by {fused.rounding_error:.1g} as rounded to that type.")
    document = asdict(fused)
    if arguments.gguf:
        share.to_gguf(fused.path, arguments.gguf)
        document["gguf"] = str(arguments.gguf)
        say(f"The GGUF file is {arguments.gguf}.")
    if arguments.upload:
        document["uploaded"] = share.upload(fused.path, arguments.upload)
        say(f"The model is at {document['uploaded']}.")
    return document


def _fuse_pictures(arguments: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import asdict

    from engine.commands.draw import lora_weight
    from engine.diffusion.fuse import fuse as fuse_
    from engine.errors import BadInput

    if arguments.gguf or arguments.upload:
        raise BadInput("--gguf and --upload are for chat models: leave them out.")
    fused = fuse_([lora_weight(word) for word in arguments.adapters], arguments.out, arguments.model, arguments.dtype)
    say(f"The merged picture model is in {fused.path}, in {fused.dtype}.")
    return {**asdict(fused), "loras": [lora.model_dump() for lora in fused.loras]}


def promote(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make one the default; the figures there are today are kept with the decision."""
    from dataclasses import asdict

    from engine.adapters import promotion
    from engine.adapters.store import read_adapter
    from engine.blind.figures import figures

    seen = asdict(figures(read_adapter(arguments.name, kind="chat")))
    made = promotion.promote(arguments.name, arguments.by, seen)
    say(f"New chats with {made.base_model} begin with the adapter “{made.adapter}”; `adapters demote` undoes it.")
    return asdict(made)


def demote(arguments: argparse.Namespace) -> dict[str, Any]:
    """Undo the last promotion."""
    from dataclasses import asdict

    from engine.adapters import promotion

    ended = promotion.undo(arguments.by)
    default = promotion.default_adapter(ended.base_model)
    now = f"the adapter “{default}”" if default else "no adapter"
    say(f"“{ended.adapter}” is no default any more: new chats with {ended.base_model} begin with {now}.")
    return {**asdict(ended), "default": default}


def export(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write one to a file."""
    from engine.adapters.export import export as export_

    format, size = export_(arguments.name, arguments.out, arguments.format, arguments.fold)
    say(f"The adapter “{arguments.name}” is in {arguments.out}, in the format {format}.")
    return {"name": arguments.name, "format": format, "file": str(arguments.out), "bytes": size}


def merge(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make one of several, and say what that cost."""
    from engine.adapters.merging.merge import describe
    from engine.adapters.merging.merge import merge as merge_
    from engine.adapters.merging.methods import Options
    from engine.commands.bars import bar

    options = Options(arguments.rank, arguments.density, arguments.seed)
    weighted = [_weighted(word) for word in arguments.adapters]
    with bar("merge", "layer") as progress:
        merged = merge_(weighted, arguments.name, arguments.method, options, arguments.dtype, progress)
    say(f"The adapter “{arguments.name}” is in the store. {merged.note}")
    say(
        f"Against the adapters together, a weight differs by {merged.max_error:.2g} at most; {merged.energy:.2%} of the"
    )
    say("energy is kept. Layers that differ most:")
    for layer in sorted(merged.layers, key=lambda layer: layer.energy)[:5]:
        say(f"  {layer.layer:60} error {layer.max_error:9.2g} of {layer.largest:8.2g}, energy {layer.energy:7.2%}")
    return describe(merged)


def _weighted(word: str) -> tuple[str, float]:
    """`red:0.7` as a name and a weight."""
    from engine.errors import BadInput

    name, _, weight = word.partition(":")
    try:
        return name, float(weight) if weight else 1.0
    except ValueError as error:
        raise BadInput(
            "“{word}” is no adapter with a weight: write NAME:WEIGHT, such as red:0.7.", word=word
        ) from error


def _number(value: float | None) -> str:
    return f"{'–':>10}" if value is None else f"{value:10.4f}"


def _document(adapter) -> dict[str, Any]:
    described = {"name": adapter.name, "rank": adapter.rank, "alpha": adapter.alpha}
    return {**described, "fingerprint": adapter.fingerprint, **adapter.card.model_dump(), "path": str(adapter.path)}
