"""`lora_store/<name>/`: PEFT's `adapter_config.json` and `adapter_model.safetensors`, with our `studio.json` beside them.

An image adapter has PEFT's two files once a model of the pipeline, under `unet/`, `text_encoder/` and `text_encoder_2/`.
Reads headers and JSON, moves and copies folders; never opens weights and never a pickle.
"""

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.adapters.pickles import refuse_pickle
from engine.errors import BadInput
from engine.files import check_name, read_json, read_safetensors_header, sha256, write_json
from engine.settings import settings

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
CARD = "studio.json"
COVER = "cover.png"
COMPONENTS = ("unet", "text_encoder", "text_encoder_2")
"""The models of a pipeline that an image adapter may have a part for; each part is a folder in PEFT's layout."""


class Card(BaseModel):
    """`studio.json`: where an adapter comes from."""

    model_config = ConfigDict(extra="allow")

    kind: str = "chat"
    """`chat`, `reward` or `image`."""
    base_model: str = ""
    base_fingerprint: str | None = None
    """As `engine.models.catalog.fingerprint` gives it; None for an adapter from elsewhere."""
    method: str = "unknown"
    created: float = 0.0
    run: str | None = None
    dataset: str | None = None
    dataset_hash: str | None = None
    spec: dict[str, Any] = {}
    """What it was trained with; of a merged adapter, the recipe: parents, weights, method."""
    metrics: dict[str, Any] = {}
    family: str | None = None
    """Of an image adapter: which make of model it fits, as `engine.adapters.formats.family` tells them apart."""
    trigger_words: str = ""
    default_weight: float = Field(default=1.0, ge=-10, le=10)
    """Of an image adapter: how strongly it is used where nobody says otherwise."""
    metadata: dict[str, str] = {}
    """What the file it was imported from said of itself (`ss_*`, `modelspec.*`)."""


class Adapter(BaseModel):
    """An adapter in the store."""

    name: str
    path: Path
    card: Card
    rank: int | None = None
    alpha: float | None = None

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits of its weights: changes when an adapter is trained anew under the same name."""
        of_parts = [_of_file(self.path / part / WEIGHTS) for part in parts(self.path)]
        return of_parts[0] if len(of_parts) == 1 else hashlib.sha256("".join(of_parts).encode()).hexdigest()[:16]


def list_adapters(kind: str | None = None) -> list[Adapter]:
    """All adapters, newest first; a folder that cannot be read is left out."""
    found = []
    for path in settings().lora_store.iterdir():
        if path.name.startswith(".") or not path.is_dir():
            continue
        with contextlib.suppress(BadInput):
            found.append(read_adapter(path.name))
    wanted = (adapter for adapter in found if kind in (None, adapter.card.kind))
    return sorted(wanted, key=lambda adapter: adapter.card.created, reverse=True)


def read_adapter(name: str, kind: str | None = None) -> Adapter:
    """One adapter.

    Args:
        name: its folder's name.
        kind: refuse an adapter of another kind.

    Raises:
        BadInput: there is none, it is damaged, it is a pickle, or it is of another kind.
    """
    path = settings().lora_store / check_name(name)
    if not path.is_dir():
        raise BadInput(
            "There is no adapter “{name}”: `python -m engine adapters list` shows those there are.", name=name
        )
    card = read_card(path)
    if kind is not None and card.kind != kind:
        raise BadInput(
            "The adapter “{name}” is of kind {is_kind} and cannot be used here: choose one of kind {kind}.",
            name=name,
            is_kind=card.kind,
            kind=kind,
        )
    configs = [check_files(path / part, name) for part in parts(path)]
    first = configs[0]
    try:
        return Adapter(name=name, path=path, card=card, rank=first.get("r"), alpha=first.get("lora_alpha"))
    except ValueError as error:  # they are no numbers
        raise BadInput("The adapter “{name}” is damaged: its files cannot be read.", name=name) from error


def parts(path: Path) -> list[str]:
    """The folders below an adapter's in which PEFT's files lie: its own, as "", or those of the pipeline's models."""
    return [part for part in COMPONENTS if (path / part).is_dir()] or [""]


def check_files(path: Path, name: str) -> dict[str, Any]:
    """PEFT's configuration of the adapter in a folder.

    Raises:
        BadInput: its weights are no safetensors file, or its configuration is missing or of no LoRA.
    """
    if not (path / WEIGHTS).is_file():
        for file in path.iterdir():
            refuse_pickle(file)
        raise BadInput("“{name}” is no adapter: its folder has no {file}.", name=name, file=WEIGHTS)
    refuse_pickle(path / WEIGHTS)
    try:
        config = read_json(path / CONFIG)
        if config["peft_type"] != "LORA":
            raise BadInput(
                "“{name}” is a {type} adapter; only LoRA adapters can be used.", name=name, type=config["peft_type"]
            )
        read_safetensors_header(path / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("The adapter “{name}” is damaged: its files cannot be read.", name=name) from error
    return config


def refuse_existing(name: str) -> Path:
    """Where a new adapter of this name will lie.

    Raises:
        BadInput: the name is taken or cannot be one.
    """
    path = settings().lora_store / check_name(name)
    if path.exists():
        raise BadInput("There is an adapter “{name}” already: choose another name, or delete it first.", name=name)
    return path


@contextlib.contextmanager
def publishing(name: str) -> Iterator[Path]:
    """A folder to fill; it becomes `lora_store/<name>/` whole when the block ends, and nothing if the block fails."""
    target = refuse_existing(name)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def publish(name: str, weights: Path, card: Card) -> Adapter:
    """Put the PEFT files of `weights` (a folder, or one of an image adapter's layout) in the store, with their card."""
    with publishing(name) as folder:
        for part in parts(weights):
            (folder / part).mkdir(exist_ok=True)
            for file in (CONFIG, WEIGHTS):
                shutil.copyfile(weights / part / file, folder / part / file)
        if (weights / COVER).is_file():
            shutil.copyfile(weights / COVER, folder / COVER)
        write_json(folder / CARD, card.model_copy(update={"created": time.time()}).model_dump())
    return read_adapter(name)


def add_metrics(name: str, fingerprint: str, **metrics: Any) -> None:
    """Keep figures on an adapter's card, if it is still there with the same weights.

    Args:
        name: the adapter.
        fingerprint: of the weights that were measured.
        metrics: by name; those of the same name are replaced.
    """
    with contextlib.suppress(BadInput):
        adapter = read_adapter(name)
        if adapter.fingerprint == fingerprint:
            card = adapter.card.model_copy(update={"metrics": {**adapter.card.metrics, **metrics}})
            write_json(adapter.path / CARD, card.model_dump())


def edit_card(name: str, **changes: Any) -> Adapter:
    """Write down what a person says of an adapter, such as its trigger words or its default weight.

    Args:
        name: the adapter.
        changes: fields of its card, with their new values.

    Raises:
        BadInput: there is no such adapter.
    """
    adapter = read_adapter(name)
    write_json(adapter.path / CARD, adapter.card.model_copy(update=changes).model_dump())
    return read_adapter(name)


def delete_adapter(name: str) -> None:
    """Remove an adapter from the store; conversations that used it keep their text."""
    path = settings().lora_store / check_name(name)
    if not path.is_dir():
        raise BadInput(
            "There is no adapter “{name}”: `python -m engine adapters list` shows those there are.", name=name
        )
    grave = Path(tempfile.mkdtemp(dir=path.parent, prefix=".deleted."))
    path.rename(grave / name)  # gone at once, for everybody; then its files
    shutil.rmtree(grave)


def read_card(path: Path) -> Card:
    """What `studio.json` in a folder says; an empty card if there is none.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return Card.model_validate(read_json(path / CARD))
    except FileNotFoundError:
        return Card()
    except ValueError as error:
        raise BadInput("The adapter “{name}” is damaged: its files cannot be read.", name=path.name) from error


def _of_file(file: Path) -> str:
    stat = file.stat()
    return _fingerprint(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _fingerprint(file: Path, modified: int, size: int) -> str:
    return sha256(file)[:16]
