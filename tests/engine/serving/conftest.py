"""The real server, with a small random model, adapters of two kinds and a picture model."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.settings import settings
from tests.engine.serving.servers import MODEL, Running, running


@pytest.fixture(scope="session")
def served_home(tmp_path_factory, tiny_model_folder, tiny_picture_folder) -> Path:
    """A studio's home: the model, two adapters of two kinds, a picture model."""
    home = tmp_path_factory.mktemp("served")
    models = home / "var" / "models"
    models.mkdir(parents=True)
    shutil.copytree(tiny_model_folder, models / MODEL)
    config = json.loads((models / MODEL / "config.json").read_text())
    (models / MODEL / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 32768}))
    (models / "zz-small").symlink_to(tiny_picture_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_HOME", str(home))
        patch.setenv("STUDIO_DTYPE", "float32")
        settings.cache_clear()
        _adapter("red", "chat")
        _adapter("judge", "reward")
    settings.cache_clear()
    return home


@pytest.fixture(scope="session")
def server(served_home) -> Iterator[Running]:
    """One for all tests that leave it as it is: without keys, on loopback."""
    with running(served_home, STUDIO_PICTURE_MODEL="zz-small") as server:
        yield server


def _adapter(name: str, kind: str) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from engine.adapters.store import Card, publish
    from engine.models.catalog import fingerprint, resolve
    from engine.models.loader import load_model

    torch.manual_seed(1)
    lora = LoraConfig(r=4, lora_alpha=64, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    weights = settings().home / f"weights-{name}"
    get_peft_model(load_model(MODEL), lora).save_pretrained(str(weights))
    card = Card(kind=kind, method="random", base_model=MODEL, base_fingerprint=fingerprint(resolve(MODEL)))
    publish(name, weights, card)
