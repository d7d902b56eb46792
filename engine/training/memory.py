"""How much memory a training needs on each device, counted from the model's configuration. Imports no torch and loads no weights.

An estimate: activations follow Korthikanti et al. 2022 (arXiv 2205.05198) with PyTorch's fused attention, where the scores
are never kept; a frozen base keeps no gradients and no optimizer state.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from engine.devices import has_cuda
from engine.errors import BadInput
from engine.files import read_json, read_safetensors_header
from engine.models.catalog import ModelSource, local_folder, resolve
from engine.training.lora_spec import LoraSpec
from engine.training.precision import in_half

_PROCESS = 700 * 2**20
"""Bytes of Python, torch and its buffers on a CPU, or of a CUDA context with its workspaces (measured: 0.5 to 0.8 GiB)."""
_OPTIMIZER = 8
"""Bytes that Adam keeps for each trained weight: two moments in float32."""
_HEAD_ROWS = 1024
"""Rows of logits that TRL's fused head holds at once, at most."""


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    model: int
    adapter: int
    """The adapter's weights and their gradients."""
    optimizer: int
    activations: int
    """At the batch and the length asked for."""
    process: int = _PROCESS

    @property
    def total(self) -> int:
        """All of it."""
        return self.model + self.adapter + self.optimizer + self.activations + self.process


@dataclass(frozen=True)
class Shape:
    """What of a model's configuration decides its memory."""

    weights: int
    layers: int
    hidden: int
    intermediate: int
    kv: int
    """Width of keys and values together with all their heads."""
    vocabulary: int


def shape(model: str) -> Shape:
    """Of a model; one of a hub is asked for its configuration and the sizes of its weights, and not downloaded.

    Raises:
        BadInput: its files are damaged.
        Failure: the hub cannot be reached.
    """
    source = resolve(model)
    folder = local_folder(source, weights=False)
    try:
        config = read_json(folder / "config.json")
        config = config.get("text_config", config)
        heads = config["num_attention_heads"]
        width = config.get("head_dim") or config["hidden_size"] // heads
        return Shape(
            weights=_count_weights(source, folder),
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config.get("intermediate_size") or 4 * config["hidden_size"],
            kv=width * (config.get("num_key_value_heads") or heads),
            vocabulary=config["vocab_size"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=source.name) from error


def _count_weights(source: ModelSource, folder: Path) -> int:
    files = list(folder.glob("*.safetensors"))
    if not files and source.kind == "hub":
        from huggingface_hub import get_safetensors_metadata

        return sum(get_safetensors_metadata(source.name).parameter_count.values())
    headers = [read_safetensors_header(file) for file in files]
    return sum(math.prod(tensor["shape"]) for header in headers for tensor in header.values())


def adapter_weights(spec: LoraSpec, model: Shape) -> int:
    """Weights that are trained: A and B of each layer that gets an adapter."""
    attention = 2 * (model.hidden + model.hidden) + 2 * (model.hidden + model.kv)
    mlp = 3 * (model.hidden + model.intermediate)
    widths = {"attention": attention, "mlp": mlp, "all-linear": attention + mlp}[spec.target_modules]
    return spec.rank * widths * model.layers


def needed(spec: LoraSpec, model: Shape, length: int | None = None) -> Memory:
    """What one process needs on its device.

    Args:
        spec: what to do.
        model: the base.
        length: tokens of the longest row; by default the most that is allowed.
    """
    half = in_half(spec)
    bytes_each = 0.7 if spec.quantization == "4bit" else 2 if half else 4
    trained = adapter_weights(spec, model)
    split = spec.world_size
    base = model.weights * bytes_each / (split if spec.zero == 3 or spec.fsdp == "full_shard" else 1)
    gradients = trained * 4 / (split if spec.zero >= 2 or spec.fsdp != "none" else 1)
    optimizer = trained * _OPTIMIZER / (split if spec.zero >= 1 or spec.fsdp != "none" else 1)
    on_device = has_cuda()
    return Memory(
        model=0 if spec.offload == "all" and on_device else int(base),
        adapter=int(trained * 4 + gradients),
        optimizer=0 if spec.offload != "none" and on_device else int(optimizer),
        activations=_activations(spec, model, length or spec.max_length, 2 if half else 4),
    )


def checkpoint_bytes(spec: LoraSpec, model: Shape) -> int:
    """Size of one checkpoint: the adapter, the optimizer's state, the tokenizer."""
    return adapter_weights(spec, model) * (4 + _OPTIMIZER) + 8 * 2**20


def _activations(spec: LoraSpec, model: Shape, length: int, bytes_each: int) -> int:
    tokens = spec.batch_size * length
    # kept for the way back: inputs of the norms and projections, queries, keys, values, and the gated MLP's four
    layer = tokens * (8 * model.hidden + 2 * model.kv + 4 * model.intermediate) * bytes_each
    head = min(tokens, _HEAD_ROWS) * model.vocabulary * 4 * 2
    if spec.gradient_checkpointing:
        return tokens * model.hidden * model.layers * bytes_each + layer + head
    return layer * model.layers + head
