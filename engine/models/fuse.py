"""Merges an adapter into its base: a whole model that needs no PEFT, as a folder.

The base and the store stay as they are. Merging is in float32, and is checked: the merged model must give the logits that
base and adapter give.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.store import CARD, read_adapter
from engine.devices import devices
from engine.errors import BadInput, Failure
from engine.files import read_safetensors_header, refuse_no_folder, write_json
from engine.models.adapters import refuse_other_base, with_adapter
from engine.models.catalog import ModelSource, fingerprint, local_folder, resolve
from engine.models.loader import Placement, bytes_needed, load_model, load_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHARD = "4GB"
TOLERANCE = 1e-4
"""Most that a logit may change by the merging, in float32; logits beyond 1 may change by as much of their size."""
_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_WHOLE = Placement(dtype="float32", device_map="cpu")


@dataclass(frozen=True)
class Fused:
    """A merged model."""

    path: Path
    base_model: str
    adapter: str
    dtype: str
    """That of the base's own weights."""
    files: list[str]
    bytes: int
    max_error: float
    """Largest difference of a logit from that of base and adapter, in float32, on a short prompt."""
    rounding_error: float
    """The same once the weights are rounded to `dtype`: unavoidable there, and 0 more in float32."""


def fuse(name: str, out: Path) -> Fused:
    """Merge an adapter into its base.

    Args:
        name: the adapter, a chat adapter.
        out: the folder to make; it appears whole or not at all.

    Raises:
        BadInput: there is no such adapter or base, the base is quantised, or the folder exists and is not empty.
        Failure: the memory does not suffice, or the merged model would answer otherwise.
    """
    adapter = read_adapter(name, kind="chat")
    source = resolve(adapter.card.base_model)
    refuse_other_base(adapter, source.name, fingerprint(source))
    dtype = _dtype(source)
    refuse_too_large(source.name, bytes_needed(source, _WHOLE))
    with new_folder(out) as folder:
        tokenizer = load_tokenizer(source.name)
        wrapped = with_adapter(load_model(source.name, _WHOLE), adapter, source.name)
        wanted = _logits(wrapped, tokenizer)
        model = wrapped.merge_and_unload()
        max_error = _check(_logits(model, tokenizer), wanted)
        _round(model, dtype)
        rounding_error = _difference(_logits(model, tokenizer), wanted)
        _save(model, tokenizer, dtype, folder)
        origin = {"base_model": source.name, "adapter": name, "adapter_fingerprint": adapter.fingerprint}
        write_json(folder / CARD, {**adapter.card.model_dump(), "fused": origin})
    weights = sorted(out.glob("*.safetensors"))
    return Fused(
        path=out,
        base_model=source.name,
        adapter=name,
        dtype=dtype,
        files=[file.name for file in weights],
        bytes=sum(file.stat().st_size for file in weights),
        max_error=max_error,
        rounding_error=rounding_error,
    )


def _check(logits: "torch.Tensor", wanted: "torch.Tensor") -> float:
    """How far the merged model's logits are from what base and adapter gave, if that is near enough."""
    error = _difference(logits, wanted)
    if not error <= TOLERANCE * max(1.0, float(wanted.abs().max())):  # not a number is no better
        raise Failure(
            "Merged, the model would not answer as base and adapter do (logits differ by {error}): nothing was written.",
            error=f"{error:.2g}",
        )
    return error


def _difference(logits: "torch.Tensor", wanted: "torch.Tensor") -> float:
    return float((logits - wanted).abs().max())


def _round(model: "PreTrainedModel", dtype: str) -> None:
    """Give every weight the value it will have in `dtype`, still in float32."""
    import torch

    for weight in model.parameters():
        weight.data = weight.data.to(getattr(torch, dtype)).float()


def _logits(model: Any, tokenizer: "PreTrainedTokenizerBase") -> "torch.Tensor":
    import torch

    prompt: Any = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.inference_mode():
        return model(input_ids=prompt["input_ids"], use_cache=False).logits.float()


def _save(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", dtype: str, folder: Path) -> None:
    import torch

    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=SHARD)
    tokenizer.save_pretrained(folder)  # the chat template with it


def _dtype(source: ModelSource) -> str:
    """The type of most of the base's weights."""
    sizes: dict[str, int] = {}
    for file in local_folder(source).glob("*.safetensors"):
        for tensor in read_safetensors_header(file).values():
            start, end = tensor["data_offsets"]
            sizes[tensor["dtype"]] = sizes.get(tensor["dtype"], 0) + end - start
    most = max(sizes, key=sizes.__getitem__)
    if most not in _DTYPES:
        raise BadInput(
            "The weights of “{model}” are quantised ({dtype}), and an adapter can only be merged into whole ones: train it "
            "on the model as it was before.",
            model=source.name,
            dtype=most,
        )
    return _DTYPES[most]


def refuse_too_large(model: str, needed: int) -> None:
    """Refuse to merge into a model that does not fit into the computer's memory.

    Raises:
        Failure: it does not.
    """
    free = devices()[-1].free
    if needed > free:
        raise Failure(
            "Merging into “{model}” takes {needed:.1f} GiB of memory and {free:.1f} GiB are free: unload models, or merge "
            "on another machine.",
            model=model,
            needed=needed / 2**30,
            free=free / 2**30,
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` when the block ends without an error.

    Raises:
        BadInput: `out` is there and not empty, or its parent is not.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput("{path} exists and is not empty: give a folder that is to be made.", path=out)
    refuse_no_folder(out.parent)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(out)  # over an empty folder too
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
