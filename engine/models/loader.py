"""Brings a causal language model into memory: dtype, quantisation, which layer on which device.

Only safetensors weights; a model's own code runs only if `STUDIO_TRUSTED_MODELS` names it. Serving goes through
`engine.models.host`, training through its recipe; both load here.
"""

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.devices import devices, has_cuda
from engine.errors import BadInput
from engine.files import read_json, read_safetensors_header
from engine.models.catalog import ModelSource, local_folder, resolve
from engine.settings import settings

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PATCHED = threading.Lock()
"""Held while transformers or PEFT make modules: they put functions of torch out of place meanwhile, for all threads, and two
at a time would leave them so."""


@dataclass(frozen=True)
class Placement:
    """How a model is put into memory; the fields are those of `engine.settings.Settings`, whose values are the default."""

    dtype: str = "auto"
    quantization: str = "none"
    device_map: str = "auto"
    max_memory: dict[str, str] = field(default_factory=dict)
    disk_offload: bool = False

    @classmethod
    def from_settings(cls) -> "Placement":
        """What the machine's owner configured."""
        s = settings()
        return cls(s.dtype, s.quantization, s.device_map, s.max_memory, s.disk_offload)


def load_tokenizer(name: str | None = None) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model.

    Args:
        name: as `catalog.resolve` takes it.

    Raises:
        BadInput: the model has no chat template.
    """
    source = resolve(name)
    folder = local_folder(source, weights=False)
    if _names_plain_tokenizer(folder):
        from transformers import PreTrainedTokenizerFast

        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=_trusted(source))
    if not tokenizer.chat_template:
        raise BadInput(
            "“{name}” has no chat template, so it was not made for chat: choose its instruct or chat version.",
            name=source.name,
        )
    return tokenizer


def _names_plain_tokenizer(folder: Path) -> bool:
    """Whether AutoTokenizer would come to the plain class: without it torch need not be imported, which takes three seconds."""
    path = folder / "tokenizer_config.json"
    config = read_json(path) if path.exists() else {}
    return (
        config.get("tokenizer_class") in ("PreTrainedTokenizerFast", "TokenizersBackend") and "auto_map" not in config
    )


def load_model(
    name: str | None = None, placement: Placement | None = None, attention: str = "auto", scores: bool = False
) -> "PreTrainedModel":
    """The model's weights in memory, in eval mode.

    Args:
        name: as `catalog.resolve` takes it.
        placement: by default the settings'.
        attention: `sdpa`, `flash_attention_2`, `eager`; `auto` leaves it to transformers.
        scores: with a head that gives a text one number, instead of the language model's; it is random, by torch's seed.

    Raises:
        BadInput: it cannot be loaded as asked, for a reason the sentence gives.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = resolve(name)
    placement = placement or Placement.from_settings()
    kind = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    try:
        folder = local_folder(source)
        with PATCHED:
            model = kind.from_pretrained(
                folder,
                use_safetensors=True,
                trust_remote_code=_trusted(source),
                dtype=torch_dtype(placement.dtype),
                quantization_config=_quantization(placement.quantization),
                attn_implementation=None if attention == "auto" else attention,
                **({"num_labels": 1} if scores else {}),
                **_device_arguments(placement),
            )
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise BadInput(
            "“{name}” brings code of its own: if you trust its makers, add it to STUDIO_TRUSTED_MODELS.",
            name=source.name,
        ) from error
    _refuse_silent_offload(model, source, placement)
    return model.eval()


def torch_dtype(name: str) -> "torch.dtype":
    """The dtype a setting stands for; `auto` is bfloat16 where the GPU computes in it, float16 on other GPUs, float32 on CPU."""
    import torch

    if name != "auto":
        return getattr(torch, name)
    if has_cuda() and torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float16 if torch.backends.mps.is_available() else torch.float32


def bytes_needed(source: ModelSource, placement: Placement) -> int:
    """Estimate of the memory that a model's weights take once loaded: their number, times the bytes of the dtype asked for.

    Raises:
        BadInput: the weights are damaged.
    """
    files = local_folder(source).glob("*.safetensors")
    try:
        weights = sum(math.prod(tensor["shape"]) for file in files for tensor in read_safetensors_header(file).values())
    except (ValueError, KeyError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=source.name) from error
    # quantised layers also keep scales, and embeddings stay unquantised
    return int(weights * ({"4bit": 0.7, "8bit": 1.2}.get(placement.quantization) or _bytes_each(placement.dtype)))


def device_of(model: "PreTrainedModel") -> "torch.device":
    """Where a model's inputs go: where its first layers are, or the CPU if those are offloaded."""
    import torch

    places = [place for place in getattr(model, "hf_device_map", {}).values() if place != "disk"]
    device = torch.device(places[0]) if places else model.device
    return torch.device("cpu") if device.type == "meta" else device


def _bytes_each(dtype: str) -> int:
    """Bytes of one weight; where possible without torch, as importing it takes seconds."""
    sizes = {"float32": 4, "bfloat16": 2, "float16": 2}
    if dtype == "auto" and devices()[0].name == "cpu":
        return sizes["float32"]
    return sizes.get(dtype) or torch_dtype(dtype).itemsize


def _trusted(source: ModelSource) -> bool:
    return source.name in settings().trusted_models


def _device_arguments(placement: Placement) -> dict[str, Any]:
    if placement.device_map == "none":
        return {}
    if placement.device_map not in ("auto", "balanced", "sequential"):
        return {"device_map": {"": placement.device_map}}
    if not placement.max_memory and devices()[0].name == "cpu":
        return {}  # one device: accelerate's dispatch hooks would only cost time
    arguments: dict[str, Any] = {"device_map": placement.device_map}
    if placement.max_memory:
        arguments["max_memory"] = {
            int(key) if key.isdigit() else key: value for key, value in placement.max_memory.items()
        }
    if placement.disk_offload:
        arguments["offload_folder"] = str(settings().var / "offload")
    return arguments


def _quantization(kind: str) -> Any:
    if kind == "none":
        return None
    if not has_cuda():
        raise BadInput(
            "4-bit and 8-bit loading need an NVIDIA GPU, and there is none here: set STUDIO_QUANTIZATION=none."
        )
    import torch
    from transformers import BitsAndBytesConfig

    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    # NF4 with double quantisation: QLoRA, Dettmers et al. 2023
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch_dtype("auto") if has_cuda() else torch.float32,
    )


def _refuse_silent_offload(model: Any, source: ModelSource, placement: Placement) -> None:
    if (read := _bytes_on_disk(model)) and not placement.disk_offload:
        raise BadInput(
            "“{name}” does not fit in memory: {read:.3g} GiB of it would be read from disk for every token, which is very slow. "
            "Choose a smaller model or quantisation, raise STUDIO_MAX_MEMORY, or allow it with STUDIO_DISK_OFFLOAD=true.",
            name=source.name,
            read=read / 2**30,
        )


def _bytes_on_disk(model: Any) -> int:
    """Bytes of the layers whose place in the device map is the disk: each pass reads all of them."""
    places = getattr(model, "hf_device_map", {})
    modules = [name for name, place in places.items() if place == "disk"]
    return sum(
        parameter.numel() * parameter.element_size()
        for name, parameter in model.named_parameters()
        if any(f"{name}.".startswith(f"{module}.") for module in modules)
    )
