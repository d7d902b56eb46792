"""Our head on CPUs scores as TRL's does: the same losses, gradients, entropies and top-1, for fewer positions."""

import pytest
import torch


@pytest.fixture
def batch(sample_dataset, tiny):
    """Six conversations, padded."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from engine.data import registry
    from engine.data.records import Message
    from engine.data.tokenise import encode
    from engine.models.loader import load_tokenizer

    tokenizer = load_tokenizer(tiny)
    rows = [
        encode([Message(**turn) for turn in row["messages"]], tokenizer)
        for row in registry.raw_rows(registry.card(sample_dataset), 0, 6)
    ]
    collate = DataCollatorForLanguageModeling(pad_token_id=0)
    return collate([{"input_ids": row.input_ids, "labels": row.labels} for row in rows])


def _trained(tiny, batch, ours: bool, dtype: str = "float32", autocast: bool = False):
    """What the head says of a batch, and the gradient that comes of it."""
    from trl.trainer.utils import add_fused_lm_head

    from engine.models.loader import Placement, load_model
    from engine.training.trainer.head import use_cpu_head

    model = load_model(tiny, Placement(dtype=dtype, device_map="cpu"))
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1", "mean_logits"))
    model.get_parameter("lm_head.weight").requires_grad_(False)
    if ours:
        use_cpu_head(model)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        outputs = model(**batch, use_cache=False, fused_lm_head=True)
    loss = -outputs.log_probs.sum() / outputs.label_mask.sum()
    loss.backward()
    gradient = model.get_parameter("model.layers.0.mlp.up_proj.weight").grad
    assert gradient is not None
    return outputs, loss.detach(), gradient


def test_it_says_what_trls_head_says(tiny, batch):
    theirs, their_loss, their_gradient = _trained(tiny, batch, ours=False)
    outputs, loss, gradient = _trained(tiny, batch, ours=True)
    assert torch.equal(outputs.label_mask, theirs.label_mask)
    assert float(loss) == pytest.approx(float(their_loss), abs=1e-5)
    assert torch.allclose(gradient, their_gradient, atol=1e-6)
    assert torch.allclose(outputs.entropy.sum(), theirs.entropy.sum(), rtol=1e-4)
    assert torch.allclose(outputs.mean_logits.sum(), theirs.mean_logits[theirs.label_mask].sum(), rtol=1e-4)
    assert torch.equal(outputs.is_top1.sum(), theirs.is_top1.sum())


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_in_bfloat16_it_is_as_near_to_float32_as_trls_is(tiny, batch, dtype):
    _, exact, exact_gradient = _trained(tiny, batch, ours=False)
    _, their_loss, their_gradient = _trained(tiny, batch, ours=False, dtype=dtype, autocast=True)
    outputs, loss, gradient = _trained(tiny, batch, ours=True, dtype=dtype, autocast=True)
    assert outputs.log_probs.dtype == torch.float32
    assert abs(loss - exact) <= abs(their_loss - exact) + 1e-3
    error, their_error = ((each.float() - exact_gradient).norm() for each in (gradient, their_gradient))
    assert error <= 1.2 * their_error


def test_a_batch_without_labels_is_no_error(tiny, batch):
    outputs, loss, _ = _trained(tiny, {**batch, "labels": torch.full_like(batch["labels"], -100)}, ours=True)
    assert outputs.log_probs.sum() == 0 and torch.isnan(loss)
