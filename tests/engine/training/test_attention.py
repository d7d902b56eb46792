"""Our attention on CPUs gives what PyTorch's gives, forward and backward, and leaves to it what is not plain."""

import pytest
import torch
import torch.nn.functional as F

from engine.training.trainer.attention import BLOCK, NAME, CausalAttention, use_cpu_attention


@pytest.mark.parametrize("tokens", [2, BLOCK, BLOCK + 1, 3 * BLOCK - 5])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 3e-2)])
def test_it_gives_what_pytorchs_gives(tokens, dtype, tolerance):
    def attended(ours: bool) -> list[torch.Tensor]:
        random = torch.Generator().manual_seed(0)
        inputs = [torch.randn(2, heads, tokens, 16, generator=random).to(dtype).requires_grad_() for heads in (6, 2, 2)]
        if ours:
            out: torch.Tensor = CausalAttention.apply(*inputs, 0.25)  # pyright: ignore[reportAssignmentType]
        else:
            query, key, value = inputs
            out = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        out.backward(torch.randn(out.shape, generator=random).to(dtype))
        return [out.detach(), *(each.grad for each in inputs if each.grad is not None)]

    for found, expected in zip(attended(True), attended(False), strict=True):
        error = (found - expected).float().norm() / expected.float().norm()
        assert error < tolerance


@pytest.mark.parametrize("kind", ["padded", "packed", "generated"])
def test_what_is_not_plain_stays_pytorchs(tiny, kind):
    from engine.models.loader import Placement, load_model

    model = load_model(tiny, Placement(dtype="bfloat16", device_map="cpu"))
    ids = torch.arange(10, 30)[None].expand(2, -1)
    more = {
        "padded": {"attention_mask": torch.tensor([[0] * 5 + [1] * 15, [1] * 20])},
        "packed": {"position_ids": torch.cat([torch.arange(12), torch.arange(8)])[None].expand(2, -1)},
        "generated": {"attention_mask": torch.ones_like(ids)},
    }[kind]

    def said() -> torch.Tensor:
        if kind == "generated":
            return model.generate(ids, **more, max_new_tokens=4, do_sample=False)  # pyright: ignore
        with torch.no_grad():
            return model(input_ids=ids, use_cache=False, **more).logits[:, 5:]

    theirs = said()
    use_cpu_attention(model)
    assert model.config._attn_implementation == NAME
    if kind == "generated":
        assert said().shape == theirs.shape  # the prompt is read by ours
    else:
        assert torch.equal(said(), theirs)


def test_rows_padded_on_the_right_need_no_mask(tiny):
    from trl.trainer.utils import add_fused_lm_head

    from engine.models.loader import Placement, load_model
    from engine.training.trainer.head import use_cpu_head

    model = load_model(tiny, Placement(dtype="float32", device_map="cpu"))
    model.get_parameter("lm_head.weight").requires_grad_(False)
    add_fused_lm_head(model)
    ids, mask = torch.arange(10, 30).expand(2, -1).clone(), torch.ones(2, 20, dtype=torch.long)
    mask[1, 12:] = 0
    labels = ids.masked_fill(mask == 0, -100)
    inputs: dict = {"input_ids": ids, "labels": labels, "attention_mask": mask, "fused_lm_head": True}
    theirs = model(**inputs).log_probs
    use_cpu_head(model)
    ours = model(**inputs).log_probs
    assert torch.allclose(ours, theirs, atol=1e-5)
    left = {**inputs, "attention_mask": mask.flip(1), "labels": labels.flip(1)}
    with_mask = model(**left).log_probs
    assert not torch.allclose(with_mask, model(**{**left, "attention_mask": None}).log_probs, atol=1e-3)
