"""LoRA's linear layers on CPUs in bfloat16: base and adapter in one function with a backward pass of its own.

PEFT runs the adapter beside the base in a precision of its own: inputs are cast to float32 and back, what the adapter adds is
scaled and added in passes over memory, and autograd keeps several copies. Of a small model's training step that is a quarter. Here
the adapter is two thin products added in place.
"""

import types
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import nn


class LoraProduct(torch.autograd.Function):
    """x·Wᵀ + scaling · x·Aᵀ·Bᵀ with W frozen; x of shape (…, in), A of (rank, in), B of (out, rank)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        a, b = a.to(x.dtype), (b * scaling).to(x.dtype)
        thin = flat @ a.T
        ctx.save_for_backward(flat, thin, weight, a, b)
        ctx.scaling = scaling
        return (flat @ weight.T).addmm_(thin, b.T).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, thin, weight, a, b = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])
        of_thin = gradient @ b
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (gradient @ weight).addmm_(of_thin, a).view(*gradients[0].shape[:-1], -1)
        return of_x, None, (of_thin.T @ flat).float(), (gradient.T @ thin).float() * ctx.scaling, None


def use_cpu_lora(model: nn.Module) -> int:
    """Give the adapted layers of a model on a CPU ours; those with more than a plain LoRA in bfloat16 keep PEFT's.

    Returns:
        How many layers have it now.
    """
    plain = [module for module in model.modules() if isinstance(module, Linear) and _is_plain(module)]
    for module in plain:
        module.forward = types.MethodType(_forward, module)
    return len(plain)


def _is_plain(module: Linear) -> bool:
    base: Any = module.get_base_layer()
    return (
        type(base) is nn.Linear
        and base.bias is None
        and base.weight.device.type == "cpu"
        and base.weight.dtype == torch.bfloat16
        and not module.lora_variant  # DoRA and its like
        and not any(module.lora_bias.values())
        and all(isinstance(dropout, nn.Identity) for dropout in module.lora_dropout.values())
    )


def _forward(self: Any, x: torch.Tensor, *args: Any, **more: Any) -> torch.Tensor:
    alone = len(self.active_adapters) == 1 and self.active_adapters[0] in self.lora_A
    if not alone or args or more or self.disable_adapters or self.merged or x.dtype != torch.bfloat16:
        return Linear.forward(self, x, *args, **more)
    name = self.active_adapters[0]
    a, b = self.lora_A[name].weight, self.lora_B[name].weight
    return LoraProduct.apply(x, self.get_base_layer().weight, a, b, self.scaling[name])
