"""Every test writes under a folder of its own; the real starter model is shared, and small models are made on the spot."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.settings import ROOT, settings

pytest_plugins = ["tests.cluster", "tests.picture_models"]

STARTER = ROOT / "var" / "models" / "starter"
PROVE = os.environ.get("STUDIO_PROVE") == "1"


@pytest.fixture(autouse=True)
def studio_home(tmp_path, monkeypatch):
    """`STUDIO_HOME` for one test."""
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    monkeypatch.setenv("STUDIO_DTYPE", "float32")  # the same figures on every CPU
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture
def starter(studio_home):
    """The real starter chat model, materialised once by `make setup`."""
    assert (STARTER / "config.json").exists(), "run `make setup` first: the tests use the real starter model"
    _link(STARTER, "starter")
    return "starter"


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory):
    """A Llama of two layers with random weights and the starter's tokenizer: real code paths, milliseconds a step."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=49152,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    LlamaForCausalLM(config).save_pretrained(folder)
    copy_tokenizer(folder)
    return folder


@pytest.fixture
def tiny(tiny_model_folder, studio_home):
    """The tiny model under the name `tiny`."""
    _link(tiny_model_folder, "tiny")
    return "tiny"


@pytest.fixture
def studio(studio_home):
    """Run the command line as a person would: `studio("chat", "Hello", "--json")` gives (exit code, document, errors)."""

    def run(*arguments: object, timeout: float = 600, **environment: str):
        command = [sys.executable, "-m", "engine", *map(str, arguments)]
        environ = {**os.environ, "STUDIO_HOME": str(studio_home), **environment}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=timeout)
        document = json.loads(done.stdout) if "--json" in arguments and done.stdout.strip() else done.stdout
        return done.returncode, document, done.stderr

    return run


@pytest.fixture
def sample_dataset(studio_home):
    """The forty rows about the Zorvex 9, imported."""
    from engine.data.importing import import_files

    import_files([ROOT / "engine" / "data" / "samples" / "zorvex.jsonl"], "zorvex")
    return "zorvex"


@pytest.fixture
def proof(request):
    """Under `make prove`, write figures to `docs/proof/<name>.json`; always print them."""

    def write(name: str, **figures: object):
        print(f"{name}: {figures}")
        if PROVE:
            folder = ROOT / "docs" / "proof"
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n")

    return write


def copy_tokenizer(folder: Path) -> None:
    """The starter's tokenizer and chat template into a model's folder."""
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(STARTER / name, folder / name)


def _link(folder: Path, name: str) -> None:
    link = settings().models / name
    if not link.exists():
        link.symlink_to(folder)
