"""`lora_store/<name>/`: PEFT's `adapter_config.json` and `adapter_model.safetensors`, with our `studio.json` beside them.

Reads headers and JSON, moves and copies folders; never opens weights and never a pickle.
"""

import contextlib
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.errors import BadInput
from engine.files import check_name, read_json, read_safetensors_header, sha256, write_json
from engine.settings import settings

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
CARD = "studio.json"


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
    metrics: dict[str, Any] = {}


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
        file = self.path / WEIGHTS
        stat = file.stat()
        return _fingerprint(file, stat.st_mtime_ns, stat.st_size)


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
    card = _read_card(path)
    if kind is not None and card.kind != kind:
        raise BadInput(
            "The adapter “{name}” is of kind {is_kind} and cannot be used here: choose one of kind {kind}.",
            name=name,
            is_kind=card.kind,
            kind=kind,
        )
    if card.kind == "image":
        return Adapter(name=name, path=path, card=card)
    config = check_files(path, name)
    return Adapter(name=name, path=path, card=card, rank=config.get("r"), alpha=config.get("lora_alpha"))


def check_files(path: Path, name: str) -> dict[str, Any]:
    """PEFT's configuration of the adapter in a folder.

    Raises:
        BadInput: its weights are no safetensors file, or its configuration is missing or of no LoRA.
    """
    if not (path / WEIGHTS).is_file():
        for file in path.iterdir():
            _refuse_pickle(file)
        raise BadInput("“{name}” is no adapter: its folder has no {file}.", name=name, file=WEIGHTS)
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
    """Put the PEFT files of `weights` (a folder) in the store under `name`, with their card."""
    with publishing(name) as folder:
        for file in (CONFIG, WEIGHTS):
            shutil.copyfile(weights / file, folder / file)
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


def import_adapter(source: Path, name: str) -> Adapter:
    """Copy an adapter from elsewhere: a folder in PEFT's layout, the safetensors file inside one, or a zip of its files.

    Raises:
        BadInput: it is a pickle, no LoRA, or damaged; or the name is taken.
    """
    refuse_existing(name)
    if not source.exists():
        raise BadInput("There is no file or folder {path}.", path=source)
    if zipfile.is_zipfile(source):
        with tempfile.TemporaryDirectory(dir=settings().var) as folder:
            _unpack(source, Path(folder))
            return import_adapter(Path(folder), name)
    if source.is_file() and source.suffix != ".safetensors":
        _refuse_pickle(source)
        raise BadInput(
            "“{name}” is no adapter: give a folder in PEFT's layout, or the .safetensors file in one.", name=source.name
        )
    folder = source if source.is_dir() else source.parent
    config = check_files(folder, source.name)
    card = (
        _read_card(folder) if (folder / CARD).exists() else Card(base_model=config.get("base_model_name_or_path") or "")
    )
    return publish(name, folder, card)


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


def _unpack(source: Path, folder: Path) -> None:
    """The files of an adapter out of a zip, and no other: whatever else there is in it stays there."""
    with zipfile.ZipFile(source) as zipped:
        for file in {CONFIG, WEIGHTS, CARD} & set(zipped.namelist()):
            with zipped.open(file) as there, (folder / file).open("wb") as here:
                shutil.copyfileobj(there, here)


def _refuse_pickle(file: Path) -> None:
    if file.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"):
        raise BadInput(
            "The weights in {file} are a pickle, which can run code when it is opened: convert them to safetensors first.",
            file=file.name,
        )


def _read_card(path: Path) -> Card:
    try:
        return Card.model_validate(read_json(path / CARD))
    except FileNotFoundError:
        return Card()
    except ValueError as error:
        raise BadInput("The adapter “{name}” is damaged: its files cannot be read.", name=path.name) from error


@lru_cache(maxsize=256)
def _fingerprint(file: Path, modified: int, size: int) -> str:
    return sha256(file)[:16]
