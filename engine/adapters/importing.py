"""Takes an adapter from elsewhere into the store, from whichever form it comes in: a folder, a zip, or one safetensors file.

A LoRA of a picture model in kohya's or diffusers' format becomes PEFT's layout here, alphas as they were.
"""

import contextlib
import shutil
import tempfile
import zipfile
from pathlib import Path

from engine.adapters.formats import diffusers, kohya
from engine.adapters.formats.family import family, other_family
from engine.adapters.formats.metadata import origin, read_metadata, worth_keeping
from engine.adapters.lora import Lora, damaged, live_names, read_part, write_part
from engine.adapters.pickles import refuse_pickle
from engine.adapters.store import (
    CARD,
    COMPONENTS,
    CONFIG,
    COVER,
    WEIGHTS,
    Adapter,
    Card,
    check_files,
    parts,
    publish,
    read_card,
    refuse_existing,
)
from engine.errors import BadInput
from engine.files import read_safetensors_header
from engine.settings import settings

_OTHERS = ("transformer.", "lora_transformer_", "diffusion_model.", "text_encoders.", "lora_te3_", "lora_prior_")
"""How keys begin in LoRAs for picture models of other makes."""


def import_adapter(source: Path, name: str) -> Adapter:
    """Copy an adapter from elsewhere.

    Args:
        source: a folder in PEFT's layout, a zip of its files, or a safetensors file: the one in such a folder, or a
            picture model's LoRA in kohya's or diffusers' format.
        name: its name in the store.

    Raises:
        BadInput: it is a pickle, no LoRA, for another make of model, or damaged; or the name is taken.
    """
    refuse_existing(name)
    if not source.exists():
        raise BadInput("There is no file or folder {path}.", path=source)
    if source.is_file():
        refuse_pickle(source)
    if zipfile.is_zipfile(source):
        with tempfile.TemporaryDirectory(dir=settings().var) as folder:
            _unpack(source, Path(folder))
            return _import_folder(Path(folder), name, source.name)
    if source.is_dir():
        return _import_folder(source, name, source.name)
    if source.suffix != ".safetensors":
        raise BadInput(
            "“{name}” is no adapter: give a folder in PEFT's layout, or the .safetensors file in one.", name=source.name
        )
    keys = _keys(source)
    if kohya.is_kohya(keys) or diffusers.is_diffusers(keys):
        return _import_image(source, keys, name)
    for key in keys:
        if key.startswith(_OTHERS):
            raise other_family(source.name, key)
    return _import_folder(source.parent, name, source.name)


def _import_folder(folder: Path, name: str, called: str) -> Adapter:
    """PEFT's layout, as it is; the card that lies in it counts."""
    configs = [check_files(folder / part, called) for part in parts(folder)]
    if (folder / CARD).exists():
        return publish(name, folder, read_card(folder))
    card = Card(base_model=configs[0].get("base_model_name_or_path") or "")
    if parts(folder) != [""]:
        lora = {part: read_part(folder / part, called) for part in parts(folder)}
        card = Card(**{**card.model_dump(), "kind": "image", "family": family(lora, {}, [], called)})
    return publish(name, folder, card)


def _import_image(file: Path, keys: list[str], name: str) -> Adapter:
    """One file with all parts of a picture model's LoRA."""
    from safetensors.torch import load_file

    metadata, tensors = read_metadata(file), load_file(file)
    of_kohya = kohya.is_kohya(keys)
    lora = kohya.read(tensors, file.name) if of_kohya else diffusers.read(tensors, metadata, file.name)
    card = Card(
        kind="image",
        base_model=metadata.get("ss_sd_model_name", "")[:200],
        family=family(lora, metadata, keys, file.name),
        trigger_words=metadata.get("modelspec.trigger_phrase", "")[:500],
        metadata=worth_keeping(metadata),
        **origin(metadata),
    )
    with tempfile.TemporaryDirectory(dir=settings().var) as folder:
        write_image(Path(folder), lora, card.base_model)
        return publish(name, Path(folder), card)


def write_image(folder: Path, lora: Lora, base_model: str, header: dict[str, str] | None = None) -> None:
    """Write a picture model's LoRA in the store's layout: a folder a part, layers by their names today."""
    for part in COMPONENTS:
        if part in lora:
            config = {"base_model_name_or_path": base_model, "task_type": None, "lora_dropout": 0.0}
            write_part(folder / part, live_names(part, lora[part]), config, header or {})


def _keys(file: Path) -> list[str]:
    try:
        return list(read_safetensors_header(file))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(file.name) from error


def _unpack(source: Path, folder: Path) -> None:
    """The files of an adapter out of a zip, and no other: whatever else there is in it stays there."""
    wanted = {
        CARD,
        COVER,
        *(f"{part}{file}" for part in ("", *(f"{c}/" for c in COMPONENTS)) for file in (CONFIG, WEIGHTS)),
    }
    with zipfile.ZipFile(source) as zipped, contextlib.ExitStack() as stack:
        for file in wanted & set(zipped.namelist()):
            (folder / file).parent.mkdir(exist_ok=True)
            there = stack.enter_context(zipped.open(file))
            here = stack.enter_context((folder / file).open("wb"))
            shutil.copyfileobj(there, here)
