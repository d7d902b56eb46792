"""Another family, transformers' own Glm4: load, dispatch over CPU and disk, chat, one LoRA run. Nothing may assume the starter's."""

import pytest

from engine.errors import BadInput
from engine.models.catalog import resolve
from engine.models.host import Host
from engine.models.loader import Placement, load_model
from engine.models.request import Sampling
from engine.settings import settings
from tests.conftest import copy_tokenizer

QUESTION = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def glm(studio_home):
    """A Glm4ForCausalLM of four small layers with random weights."""
    import torch
    from transformers import Glm4Config, Glm4ForCausalLM

    torch.manual_seed(0)
    config = Glm4Config(
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=49152,
        max_position_embeddings=512,
        eos_token_id=[2, 0],
        pad_token_id=2,
        bos_token_id=1,
    )
    folder = settings().models / "glm"
    Glm4ForCausalLM(config).save_pretrained(folder)
    copy_tokenizer(folder)
    return "glm"


def _two_devices(monkeypatch, disk: bool = True):
    """Memory for the embedding and three layers; the rest has nowhere to go but the disk."""
    monkeypatch.setenv("STUDIO_MAX_MEMORY", '{"cpu": "26MB"}')
    monkeypatch.setenv("STUDIO_DISK_OFFLOAD", str(disk).lower())
    settings.cache_clear()


def test_spread_over_cpu_and_disk_it_says_the_same(glm, monkeypatch):
    greedy = Sampling(max_new_tokens=8, temperature=0)
    host = Host(2**30)
    whole = host.generate(QUESTION, greedy, glm).wait().text
    host.unload()
    _two_devices(monkeypatch)
    spread = host.generate(QUESTION, greedy, glm).wait().text
    places = host.loaded()[0].devices
    assert places["cpu"] >= 1 and places["disk"] >= 1
    assert spread == whole
    host.unload()


def test_disk_offload_is_never_silent(glm, monkeypatch):
    _two_devices(monkeypatch, disk=False)
    with pytest.raises(BadInput, match=r"0\.0\d+ GiB of it would be read from disk .* STUDIO_DISK_OFFLOAD") as refused:
        load_model(glm)
    _two_devices(monkeypatch)
    model = load_model(glm)
    away = [weight.numel() * 4 for weight in model.parameters() if weight.device.type == "meta"]
    assert refused.value.values["read"] == pytest.approx(sum(away) / 2**30)


@pytest.mark.parametrize("device_map", ["balanced", "sequential", "cpu"])
def test_other_device_maps(glm, device_map):
    model = load_model(glm, Placement(device_map=device_map, max_memory={"cpu": "1GB"}))
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}


def test_a_lora_run_and_its_adapter_in_chat(glm, studio, sample_dataset, monkeypatch):
    code, run, errors = studio(
        "train", "sft", "--dataset", sample_dataset, "--adapter", "glm-lora", "--model", glm, "--max-steps", 3,
        "--learning-rate", 0.05, "--wait", "--json",
    )  # fmt: skip
    assert code == 0, errors
    assert (run["status"], run["step"]) == ("finished", 3)
    code, answer, errors = studio(
        "chat", "Hello", "--model", glm, "--adapter", "glm-lora", "--max-new-tokens", 4, "--json"
    )
    assert code == 0, errors
    assert answer["adapter"] == "glm-lora"

    _two_devices(monkeypatch)
    assert resolve(glm).kind == "folder"
    host = Host(2**30)
    assert host.generate(QUESTION, Sampling(max_new_tokens=4), glm, "glm-lora").wait().tokens >= 1
    host.unload()
