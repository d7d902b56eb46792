"""Causal attention on CPUs in bfloat16: half the time of PyTorch's for some hundred tokens, which is a third of a training step.

PyTorch's kernel for CPUs does not reach the processor's matrix units. Here a block of queries at a time meets the keys up to its
own end through the usual matrix product; as in FlashAttention (https://arxiv.org/abs/2205.14135) the scores are made again on the
way back, so that they are never all in memory.
"""

from collections.abc import Iterator
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

BLOCK = 128
"""Queries at a time: 64 and 256 were slower."""
NAME = "studio_blocks"


class CausalAttention(torch.autograd.Function):
    """Queries, keys and values of shape (rows, heads, tokens, width); keys and values may have fewer heads."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float) -> torch.Tensor:
        query = query * scaling
        ctx.save_for_backward(query, key, value)
        ctx.scaling = scaling
        keys, values = _for_each_head(key, query), _for_each_head(value, query)
        out = torch.empty_like(query)
        for start, end, probs in _blocks(query, keys):
            out[:, :, start:end] = probs @ values[:, :, :end]
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        keys, values = _for_each_head(key, query), _for_each_head(value, query)
        of_query = torch.empty_like(query)
        of_keys, of_values = (torch.zeros_like(each, dtype=torch.float32) for each in (keys, values))
        for start, end, probs in _blocks(query, keys):
            gradient = gradients[0][:, :, start:end]
            of_values[:, :, :end] += probs.mT @ gradient
            of_probs = gradient @ values[:, :, :end].mT
            of_scores = torch.ops.aten._softmax_backward_data(of_probs, probs, -1, probs.dtype)
            of_query[:, :, start:end] = of_scores @ keys[:, :, :end]
            of_keys[:, :, :end] += of_scores.mT @ query[:, :, start:end]
        return of_query * ctx.scaling, _summed(of_keys, key), _summed(of_values, value), None


def use_cpu_attention(model: PreTrainedModel) -> None:
    """Give a model on a CPU ours where it has PyTorch's; what is not plain causal attention in bfloat16 stays PyTorch's."""
    if model.device.type != "cpu" or model.config._attn_implementation != "sdpa":
        return
    ALL_ATTENTION_FUNCTIONS.register(NAME, _attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def _attend(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **more: Any
) -> tuple[torch.Tensor, None]:
    plain = attention_mask is None and more.get("is_causal", getattr(module, "is_causal", True)) is not False
    plain = plain and not more.get("dropout") and not more.get("softcap")
    in_bf16 = query.dtype == key.dtype == value.dtype == torch.bfloat16
    if not (plain and in_bf16 and 1 < query.shape[2] == key.shape[2]):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **more)
    scaling = more.get("scaling") or query.shape[-1] ** -0.5
    return CausalAttention.apply(query, key, value, scaling).transpose(1, 2), None


def _blocks(query: torch.Tensor, keys: torch.Tensor) -> Iterator[tuple[int, int, torch.Tensor]]:
    """First and last query of each block, and what share of its attention each gives to the keys up to the last."""
    future = torch.full((BLOCK, BLOCK), -torch.inf, dtype=query.dtype).triu(1)
    for start in range(0, query.shape[2], BLOCK):
        end = min(start + BLOCK, query.shape[2])
        scores = query[:, :, start:end] @ keys[:, :, :end].mT
        scores[..., start:] += future[: end - start, : end - start]
        yield start, end, scores.softmax(-1)


def _for_each_head(shared: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Heads of keys or values repeated, one for each head of the queries."""
    return shared.repeat_interleave(query.shape[1] // shared.shape[1], dim=1)


def _summed(gradient: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    return gradient.unflatten(1, (shared.shape[1], -1)).sum(2).to(shared.dtype)
