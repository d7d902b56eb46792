"""LoRA for a batch whose rows have different adapters: the matrices of all of them side by side, and a mask that leaves each
row its own.

PEFT's `adapter_names` looks through all modules and sets hooks anew for every call, then takes rows out and puts them back
for every adapter in every layer. Two thin products a layer are enough, whatever the number of adapters.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class LoraRows:
    """Of one model in which PEFT's own layers are switched off.

    Args:
        model: the PeftModel.
    """

    def __init__(self, model: Any):
        self._model = model
        self._slots: tuple[str, ...] = ()
        self._hooks: list[Any] = []
        self._table: torch.Tensor | None = None  # which columns are whose, a row each adapter and one for none
        self._mask: torch.Tensor | None = None  # which columns are whose in this forward pass; None: all
        self._silent = True

    def join(self, slots: tuple[str, ...]) -> None:
        """Put the matrices of these adapters side by side.

        That takes as long as a quarter of a step, so one that is no longer wanted stays until half of them are such.
        """
        import torch

        if set(slots) <= set(self._slots) and (not slots or len(self._slots) <= 2 * len(slots)):
            return
        for hook in self._hooks:
            hook.remove()
        layers = [layer for layer in _lora_layers(self._model) if any(slot in layer.lora_A for slot in slots)]
        ranks = [max(layer.r.get(slot, 0) for layer in layers) for slot in slots]
        self._hooks = [
            layer.register_forward_hook(partial(self._add, *_joined(layer, slots, ranks))) for layer in layers
        ]
        owner = torch.repeat_interleave(torch.arange(len(slots)), torch.tensor(ranks, dtype=torch.long))
        self._table = torch.arange(len(slots) + 1)[:, None] == owner
        self._slots = slots

    def choose(self, rows: list[str | None]) -> None:
        """Say which adapter each row of the next forward passes has, of those that were joined."""
        chosen = set(rows)
        self._silent = chosen <= {None}
        if self._silent or (len(chosen) == 1 and len(self._slots) == 1):
            self._mask = None
            return
        assert self._table is not None
        places = [len(self._slots) if slot is None else self._slots.index(slot) for slot in rows]
        self._mask = self._table[places][:, None]

    def silence(self) -> None:
        """Add nothing any more."""
        self._silent = True

    def _add(self, down: "torch.Tensor", up: "torch.Tensor", layer: Any, inputs: tuple, output: "torch.Tensor"):
        from torch.nn.functional import linear

        if self._silent:
            return
        thin = linear(inputs[0].to(down.dtype), down)
        if self._mask is not None:
            if self._mask.device != thin.device or self._mask.dtype != thin.dtype:
                self._mask = self._mask.to(thin)
            thin *= self._mask
        output += linear(thin, up)


def is_plain_lora(model: Any, slot: str) -> bool:
    """Whether an adapter is two matrices a layer and nothing more: no DoRA, no bias, no embedding, no layer of its own."""
    from peft.utils import AuxiliaryTrainingWrapper
    from torch.nn import Linear

    config = model.peft_config[slot]
    if getattr(config, "bias", "none") != "none" or getattr(config, "alora_invocation_tokens", None):
        return False
    for module in model.modules():
        if isinstance(module, AuxiliaryTrainingWrapper) and slot in module._get_available_adapters():
            return False
    for layer in _lora_layers(model):
        if slot in layer.lora_embedding_A or slot in layer.lora_variant:
            return False
        for matrix in (part[slot] for part in (layer.lora_A, layer.lora_B) if slot in part):
            if not isinstance(matrix, Linear) or matrix.bias is not None:
                return False
    return True


def _lora_layers(model: Any) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def _joined(layer: Any, slots: tuple[str, ...], ranks: list[int]) -> "tuple[torch.Tensor, torch.Tensor]":
    """All A below each other, all B beside each other with their scaling; zeros where an adapter leaves the layer alone."""
    import torch

    like = next(slot for slot in slots if slot in layer.lora_A)
    like_a, like_b = layer.lora_A[like].weight, layer.lora_B[like].weight
    down = like_a.new_zeros(sum(ranks), like_a.shape[1])
    up = like_b.new_zeros(like_b.shape[0], sum(ranks))
    with torch.inference_mode():
        start = 0
        for slot, rank in zip(slots, ranks, strict=True):
            if slot in layer.lora_A:
                a, b = layer.lora_A[slot].weight, layer.lora_B[slot].weight
                down[start : start + len(a)] = a
                up[:, start : start + len(a)] = b * layer.scaling[slot]
            start += rank
    return down, up
