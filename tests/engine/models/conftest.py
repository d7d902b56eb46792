"""Adapters with random weights: strong enough that each changes what the tiny model says."""

import pytest

from engine.adapters.store import Card, publish
from engine.models.catalog import fingerprint, resolve
from engine.models.host import Host


@pytest.fixture
def make_adapter(tmp_path):
    """`make_adapter("red", "tiny", seed=1)` puts a random adapter for a model in the store."""

    def make(name: str, model: str, seed: int = 0, kind: str = "chat", recorded: bool = True):
        import torch
        from peft import LoraConfig, get_peft_model

        from engine.models.loader import load_model

        torch.manual_seed(seed)
        lora = LoraConfig(
            r=4, lora_alpha=64, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"
        )
        folder = tmp_path / f"weights-{name}-{seed}"
        get_peft_model(load_model(model), lora).save_pretrained(folder)
        source = resolve(model)
        card = Card(kind=kind, method="random")
        if recorded:
            card.base_model, card.base_fingerprint = source.name, fingerprint(source)
        return publish(name, folder, card)

    return make


@pytest.fixture
def host():
    """A host of the test's own."""
    host = Host(budget=8 * 2**30)
    yield host
    host.unload()
