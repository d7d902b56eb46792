"""Conversations packed into one row do not see each other: each has the loss that it has alone."""

import pytest


@pytest.mark.parametrize("model_name", ["tiny", "starter"])
def test_each_example_has_the_loss_that_it_has_alone(model_name, sample_dataset, tiny, starter, proof):
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from engine.data import registry
    from engine.data.records import Message
    from engine.data.tokenise import encode
    from engine.models.loader import load_model, load_tokenizer

    model, tokenizer = load_model(model_name), load_tokenizer(model_name)
    encoded = [
        encode([Message(**turn) for turn in row["messages"]], tokenizer)
        for row in registry.raw_rows(registry.card(sample_dataset), 0, 6)
    ]
    examples = [{"input_ids": row.input_ids, "labels": row.labels} for row in encoded]
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    packed = collate([{**example, "seq_lengths": [len(example["input_ids"])]} for example in examples])
    alone = [_losses(model, collate([example])) for example in examples]
    together = _losses(model, packed)
    apart = torch.split(together, [len(losses) for losses in alone])
    # the first label of each example is what the end of the one before would have to guess: it is no part of either
    difference = max(float((a[1:].mean() - b[1:].mean()).abs()) for a, b in zip(alone, apart, strict=True))
    proof(f"4.7-packing-{model_name}", difference=difference)
    assert difference < 1e-3


def _losses(model, batch):
    """The loss at each token of a row, of its guess by the tokens before; 0 where nothing is learnt."""
    import torch

    inputs = {name: batch[name] for name in ("input_ids", "position_ids")}
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0]
    labels = batch["labels"][0]
    losses = torch.nn.functional.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="none")
    return torch.cat([torch.zeros(1), losses])
