"""Our LoRA layers on CPUs compute what PEFT's do, forward and backward, and leave to PEFT what is more than a plain LoRA."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from engine.training.trainer.lora_linear import LoraProduct, use_cpu_lora

ROWS, INSIDE, OUTSIDE, SCALING = (2, 7), 24, 16, 2.0


def adapted(**more) -> nn.Module:
    """One adapted layer in bfloat16, its adapter in float32."""
    torch.manual_seed(0)
    base = nn.Sequential(nn.Linear(INSIDE, OUTSIDE, bias=False)).to(torch.bfloat16)
    config = LoraConfig(r=4, lora_alpha=int(4 * SCALING), target_modules=["0"], **more)
    model: nn.Module = get_peft_model(base, config)  # pyright: ignore[reportArgumentType]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
        if "lora_B" in name:
            nn.init.normal_(parameter)
    return model


def outcome(model: nn.Module) -> list[torch.Tensor]:
    """What it gives, and all gradients."""
    random = torch.Generator().manual_seed(1)
    x = torch.randn(*ROWS, INSIDE, generator=random).to(torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x)
    out.backward(torch.randn(out.shape, generator=random).to(out.dtype))
    assert x.grad is not None
    return [out.detach(), x.grad, *(p.grad for p in model.parameters() if p.grad is not None)]


def test_it_is_exact_but_for_rounding():
    random = torch.Generator().manual_seed(0)
    shapes = [(*ROWS, INSIDE), (OUTSIDE, INSIDE), (4, INSIDE), (OUTSIDE, 4)]

    def inputs() -> list[torch.Tensor]:
        return [torch.randn(shape, generator=random.manual_seed(n)) for n, shape in enumerate(shapes)]

    ours, theirs = inputs(), inputs()
    for each in (ours, theirs):
        for place in (0, 2, 3):
            each[place].requires_grad_()
    x, weight, a, b = theirs
    expected = x @ weight.T + SCALING * (x @ a.T @ b.T)
    found: torch.Tensor = LoraProduct.apply(*ours, SCALING)  # pyright: ignore[reportAssignmentType]
    assert torch.allclose(found, expected, atol=1e-4)
    given = torch.randn(expected.shape, generator=random)
    expected.backward(given)
    found.backward(given)
    for place in (0, 2, 3):
        assert torch.allclose(ours[place].grad, theirs[place].grad, atol=1e-4)  # pyright: ignore[reportArgumentType]


def test_in_a_model_it_gives_what_pefts_gives():
    theirs = outcome(adapted())
    model = adapted()
    assert use_cpu_lora(model) == 1
    for found, expected in zip(outcome(model), theirs, strict=True):
        assert found.dtype == expected.dtype
        assert (found - expected).float().norm() < 1e-2 * expected.float().norm()


def test_a_switched_off_adapter_leaves_the_base():
    model = adapted()
    use_cpu_lora(model)
    x = torch.randn(*ROWS, INSIDE).to(torch.bfloat16)
    with model.disable_adapter():  # pyright: ignore[reportCallIssue]
        assert torch.equal(model(x), model.get_base_model()[0].get_base_layer()(x))  # pyright: ignore
    assert not torch.equal(model(x), model.get_base_model()[0].get_base_layer()(x))  # pyright: ignore


@pytest.mark.parametrize("more", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}], ids=str)
def test_what_is_more_than_plain_stays_pefts(more):
    if "lora_bias" in more:
        model = adapted()
        model.get_submodule("base_model.model.0").lora_bias["default"] = True  # pyright: ignore
    else:
        model = adapted(**more)
    assert use_cpu_lora(model) == 0
