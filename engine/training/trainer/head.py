"""The language model's head and its loss on CPUs: only labelled positions are scored, and the logits are made once.

TRL scores every position there, padding and prompts included, and makes the logits again in the backward pass; that is a
quarter of a training step of a small model. Here the gradient is made in the forward pass, a chunk of positions at a time, as
Liger's fused cross-entropy does on GPUs (https://arxiv.org/abs/2410.10989): less time, and never all logits in memory.
"""

import functools
import types
from typing import Any

import torch
from transformers import PreTrainedModel, Trainer
from trl.trainer.utils import FusedCausalLMOutput, maybe_gather_lm_head_ctx

CHUNK = 128
"""Positions at a time: 25 MB of logits for a vocabulary of 49,152. Larger ones were no faster, 64 was a tenth slower."""
SCALED = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")
"""What makes logits more than a product, in the configs that TRL's own head knows."""


class LogProbs(torch.autograd.Function):
    """Log-probability of each position's label; also, without gradient, the entropy and whether the label is the likeliest."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        needs_gradient = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if needs_gradient else None
        log_probs, entropy = torch.empty(len(hidden)), torch.empty(len(hidden))
        likeliest = torch.empty(len(hidden), dtype=torch.bool)
        for start in range(0, len(hidden), CHUNK):
            part = slice(start, start + CHUNK)
            logits = (hidden[part] @ weight.T).float()  # in bfloat16 only the products are
            label = labels[part, None]
            logits.sub_(logits.amax(-1, keepdim=True))
            picked = logits.gather(1, label).squeeze(1)
            likeliest[part] = picked == 0
            probs = logits.exp()
            total = probs.sum(-1)
            log_probs[part] = picked - total.log()
            entropy[part] = total.log() - torch.linalg.vecdot(probs, logits) / total
            if gradient is not None:  # of the log-probability: the label's row of the head minus the expected row
                probs.mul_(-1 / total[:, None]).scatter_add_(1, label, torch.ones_like(label, dtype=probs.dtype))
                torch.mm(probs.to(weight.dtype), weight, out=gradient[part])
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(entropy, likeliest)
        return log_probs, entropy, likeliest

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0][:, None], None, None


def base_of(trainer: Trainer) -> PreTrainedModel:
    """The model that a trainer's adapter sits in."""
    adapted: Any = trainer.accelerator.unwrap_model(trainer.model)
    return adapted.get_base_model()


def use_cpu_head(model: PreTrainedModel) -> None:
    """Give the model, to which TRL has added its fused head, ours in its place.

    It stays as it is unless it is on a CPU, its logits are a plain product, and its head is not trained.
    """
    config = model.config.get_text_config().to_dict()
    head: Any = model.get_output_embeddings()
    plain = head.bias is None and all(config.get(name) in (None, 1) for name in SCALED)
    frozen = not head.weight.requires_grad and not config.get(
        "output_router_logits"
    )  # experts have a loss of their own
    if model.device.type != "cpu" or model.dtype == torch.float16 or not plain or not frozen:
        return
    theirs = model.forward

    @functools.wraps(theirs)
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, labels: Any = None, **more: Any) -> Any:
        if not fused_lm_head:
            return theirs(*args, **more) if labels is None else theirs(*args, labels=labels, **more)
        if _pads_on_the_right(more.get("attention_mask")):
            more["attention_mask"] = None
        hidden = self.base_model(*args, **{**more, "use_cache": False}).last_hidden_state[:, :-1]
        mask = labels[:, 1:] != -100
        weight = self.get_output_embeddings().weight
        compute = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else weight.dtype
        no_bias: Any = None
        with maybe_gather_lm_head_ctx(weight, no_bias), torch.autocast("cpu", enabled=False):
            scored = LogProbs.apply(hidden[mask].to(compute), weight.to(compute), labels[:, 1:][mask])
            mean = hidden[mask].detach().float() @ weight.detach().mean(0, dtype=torch.float32)  # the head is linear
        log_probs, entropy, is_top1, mean_logits = (
            part.new_zeros(mask.shape).masked_scatter(mask, part) for part in (*scored, mean)
        )
        return FusedCausalLMOutput(
            log_probs=log_probs, entropy=entropy, is_top1=is_top1, mean_logits=mean_logits, label_mask=mask
        )

    model.forward = types.MethodType(forward, model)


def _pads_on_the_right(mask: torch.Tensor | None) -> bool:
    """Whether the mask may go: no token looks to its right, padding is never scored, and attention is faster without it."""
    return mask is not None and mask.dim() == 2 and bool(mask[:, 0].all())
