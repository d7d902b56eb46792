"""Linear layers of a model on the CPU that are fast for a few rows, as decoding needs them: one row a request.

The usual product of a few rows with a large matrix arranges the whole matrix anew each time, which takes several times as long
as the product itself (MKL, which torch computes with on x86). The same product the other way round arranges the rows. It is
measured whether that holds on this machine; a model that is trained keeps its layers as they are.
"""

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import linear, pad

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_ROWS = 64
"""From here on there is nothing to be gained."""


class FewRowsLinear(nn.Linear):
    """`nn.Linear`, computed as W xᵀ where x has few rows; the same to rounding."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """See `nn.Linear`."""
        rows = input.numel() // self.in_features
        if rows > MOST_ROWS:
            return linear(input, self.weight, self.bias)
        output = _flipped(input.reshape(rows, self.in_features), self.weight)
        if self.bias is not None:
            output += self.bias
        return output.view(*input.shape[:-1], self.out_features)


def speed_up_few_rows(model: "PreTrainedModel") -> None:
    """Exchange the linear layers of a model that is not trained, in place, where that makes it faster."""
    layers: list[Any] = [module for module in model.modules() if _is_plain(module)]
    if layers and _pays():
        for layer in layers:
            layer.__class__ = FewRowsLinear


def _is_plain(module: nn.Module) -> bool:
    """Whether it computes on the CPU in float32, and nobody else has changed how."""
    if type(module) is not nn.Linear or hasattr(module, "_hf_hook"):
        return False
    return module.weight.device.type == "cpu" and module.weight.dtype == torch.float32


def _flipped(input: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`linear` of a few rows, the other way round."""
    rows = len(input)
    return torch.mm(weight, pad(input, (0, 0, 0, _fast_number(rows) - rows)).t())[:, :rows].t().contiguous()


def _fast_number(rows: int) -> int:
    """Rows that are computed: a single one is slower than two, and more than nine come in sixteens."""
    if rows < 10:
        return max(rows, 2)
    return -(-rows // 16) * 16


@lru_cache
@torch.inference_mode()
def _pays() -> bool:
    """Whether four rows through a layer of usual size take less than two thirds of the time; a tenth of a second."""
    # of ones, not drawn: torch's random state is everybody's. Sixteen are more than the processor's own memory holds
    rows, weights = torch.ones(4, 576), [torch.ones(1536, 576) for _ in range(16)]
    best = {linear: float("inf"), _flipped: float("inf")}
    for _ in range(7):
        for product in best:
            began = time.perf_counter()
            for weight in weights:
                product(rows, weight)
            best[product] = min(best[product], time.perf_counter() - began)
    return best[_flipped] < best[linear] / 1.5
