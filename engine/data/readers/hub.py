"""A dataset of the Hugging Face hub as a file of JSON lines, which is then read as any other.

Rows are streamed. Only files that hold nothing but data are taken: a builder that would run code or unpickle is refused.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from engine.errors import BadInput, Failure, StudioError

_ADDRESS = re.compile(r"hub:(\w[\w.-]*/\w[\w.-]*)(?::(\w[\w.-]*))?", re.ASCII)
_BUILDERS = {"parquet", "json", "csv", "arrow"}
_TIMEOUT = 10.0  # seconds


def download(address: str, folder: Path) -> Path:
    """The rows of one split of a dataset, as JSON lines.

    Args:
        address: `hub:OWNER/NAME` or `hub:OWNER/NAME:SPLIT`; the split is `train` if none is given.
        folder: where the file goes; it is made if need be.

    Raises:
        BadInput: there is no such dataset or split, or it holds other things than data.
        Failure: the hub cannot be reached, or the dataset cannot be read.
    """
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise BadInput(
            "“{address}” is no address on the hub: write hub:OWNER/NAME or hub:OWNER/NAME:SPLIT.", address=address
        )
    name, split = match[1], match[2] or "train"
    _find(name)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('/', '--')}--{split}.jsonl"
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            for row in _rows(name, split):
                file.write(row + b"\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _find(name: str) -> None:
    """Ask the hub for the dataset once: the library would go on asking for minutes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        HfApi().dataset_info(name, timeout=_TIMEOUT)
    except (RepositoryNotFoundError, HFValidationError):
        raise BadInput(
            "There is no dataset “{name}” on the hub, or it is closed to you: check its name, or log in with `hf auth login`.",
            name=name,
        ) from None
    except OfflineModeIsEnabled:
        raise Failure("The hub is switched off by HF_HUB_OFFLINE: unset it, or import files.") from None
    except Exception as error:  # the errors of the network have no base in common
        raise Failure(
            "The hub cannot be reached ({reason}): check the connection, or import files.", reason=_short(error)
        ) from error


def _rows(name: str, split: str) -> Iterator[bytes]:
    """The rows as JSON."""
    try:
        splits = _splits(name)
        if split not in splits:
            raise BadInput(
                "“{name}” has no split “{split}”: it has {splits}.", name=name, split=split, splits=", ".join(splits)
            )
        for row in splits[split]:
            yield to_json(row)
    except StudioError:
        raise
    except Exception as error:  # the library's errors have no base in common
        raise Failure("“{name}” cannot be read from the hub: {reason}", name=name, reason=_short(error)) from error


def _splits(name: str) -> dict[str, Any]:
    """The rows of each split, none of which is fetched yet."""
    from datasets import load_dataset_builder

    builder = load_dataset_builder(name)
    if builder.__module__.rpartition(".")[2] not in _BUILDERS:
        raise BadInput("“{name}” does not hold its rows as Parquet, JSON or CSV: import its files instead.", name=name)
    splits: Any = builder.as_streaming_dataset()
    return dict(splits)


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
