"""An adapter as one file to hand on: a zip of PEFT's files, or a picture model's LoRA as kohya or diffusers write it."""

import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from engine.adapters.formats import diffusers, kohya
from engine.adapters.formats.metadata import header, origin_header
from engine.adapters.lora import Layer, read_lora, save
from engine.adapters.store import CARD, CONFIG, COVER, WEIGHTS, check_files, parts, read_adapter
from engine.errors import BadInput
from engine.files import refuse_file

FORMATS = ("peft", "diffusers", "kohya")


def export(name: str, out: Path, format: str | None = None, fold: bool = False) -> tuple[str, int]:
    """Write an adapter to a file.

    Args:
        name: the adapter.
        out: the file to write; it appears whole or not at all.
        format: one of `FORMATS`; by default kohya's for a picture model's, which most programs load, else PEFT's.
        fold: multiply the scale into the weights, for programs that do not look for alphas.

    Returns:
        The format, and the file's size in bytes.

    Raises:
        BadInput: there is no such adapter, it has no such form, the file exists, or its folder does not.
    """
    kind = read_adapter(name).card.kind
    format = format or ("kohya" if kind == "image" else "peft")
    if format == "peft":
        if fold:
            raise BadInput("PEFT's files say what alpha is: there is nothing to fold.")
        return format, export_peft(name, out)
    if kind != "image":
        raise BadInput(
            "The format {format} is for picture models, and “{name}” is of kind {kind}: export it as peft.",
            format=format,
            name=name,
            kind=kind,
        )
    if out.suffix != ".safetensors":
        raise BadInput("A LoRA in the format {format} is a .safetensors file: name it so.", format=format)
    return format, _export_image(name, out, format, fold)


def export_peft(name: str, out: Path) -> int:
    """Write a zip that unpacks to a folder in PEFT's layout, which `adapters import` and PEFT itself read.

    Args:
        name: the adapter.
        out: the file to write; it appears whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        BadInput: there is no such adapter, the file exists, or its folder does not.
    """
    adapter = read_adapter(name)
    files = [f"{part}/{file}".lstrip("/") for part in parts(adapter.path) for file in (CONFIG, WEIGHTS)]
    for part in parts(adapter.path):
        check_files(adapter.path / part, name)
    if (adapter.path / COVER).exists():
        files.append(COVER)
    refuse_file(out)

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w") as zipped:  # stored as they are: weights do not get smaller
            for file in files:
                zipped.write(adapter.path / file, file)
            zipped.writestr(CARD, adapter.card.model_dump_json(indent=1))

    return _whole(out, write)


def _export_image(name: str, out: Path, format: str, fold: bool) -> int:
    adapter = read_adapter(name)
    lora = read_lora(adapter)
    if fold:
        lora = {part: {path: _folded(layer) for path, layer in layers.items()} for part, layers in lora.items()}
    refuse_file(out)
    metadata = header(adapter, lora) | origin_header(adapter.card)
    if format == "kohya":
        tensors = kohya.write(lora, adapter.card.family or "other")
    else:
        tensors, alphas = diffusers.write(lora)
        metadata |= alphas
    return _whole(out, lambda temporary: save(tensors, temporary, metadata))


def _folded(layer: Layer) -> Layer:
    """The same layer with its scale in b, and alpha the rank."""
    return Layer(layer.a, (layer.b.float() * layer.scale).to(layer.b.dtype), float(layer.rank))


def _whole(out: Path, write: Callable[[Path], None]) -> int:
    """Write a file under a temporary name beside `out`, and give it its own when it is whole; returns its size."""
    descriptor, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    os.close(descriptor)
    try:
        write(Path(temporary))
        with Path(temporary).open("rb+") as file:
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return out.stat().st_size
