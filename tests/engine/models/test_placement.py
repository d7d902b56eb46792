"""Where a chat model goes, decided over machines that are made up; what is shown says why."""

import re

import pytest
import yaml

from engine.devices import Device, visible_gpus
from engine.errors import BadInput
from engine.models import placement
from engine.models.catalog import resolve
from engine.models.placement import GIB, plan
from engine.settings import ROOT, settings


def _gpus(*free: int) -> list[Device]:
    return [Device(f"cuda:{number}", "GPU", 80 * GIB, size * GIB) for number, size in enumerate(free)]


@pytest.fixture
def configure(monkeypatch):
    def set_(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"STUDIO_{name.upper()}", value)
        settings.cache_clear()

    return set_


@pytest.mark.parametrize(
    "free, needed, how, places, why",
    [
        ([], 4, "single", ["auto"], "There is no NVIDIA GPU"),
        ([24], 4, "single", ["cuda:0"], "cuda:0 has room"),
        ([24, 24], 4, "copies", ["cuda:0", "cuda:1"], "takes 4.0 GiB, and cuda:0, cuda:1 have room"),
        ([24, 8], 10, "single", ["cuda:0"], "only cuda:0 has room"),
        ([8, 24], 10, "single", ["cuda:1"], "only cuda:1 has room"),
        ([24, 24], 22, "dispatch", ["auto"], "spread over 2 GPUs"),
        ([24, 24], 46, "dispatch", ["auto"], "48.0 GiB are free"),
        ([24], 22, "dispatch", ["auto"], "computer's memory, which is slow"),
    ],
)
def test_what_fits_decides(studio_home, free, needed, how, places, why):
    decided = plan("m", needed * GIB, _gpus(*free))
    assert (decided.how, decided.places) == (how, places)
    assert why in str(decided)


def test_a_copy_needs_room_for_its_cache(studio_home):
    assert plan("m", 16 * GIB, _gpus(21, 21)).how == "copies"
    assert plan("m", 17 * GIB, _gpus(21, 21)).how == "dispatch"


def test_the_settings_override(studio_home, configure):
    configure(copies="2")
    assert plan("m", 4 * GIB, _gpus(20, 24, 22)).places == ["cuda:1", "cuda:2"]  # where most is free
    assert plan("m", 4 * GIB, []).places == ["auto", "auto"]
    with pytest.raises(BadInput, match=r"room for “m” and its cache \(13\.5 GiB\): 1. STUDIO_COPIES asks for 2"):
        plan("m", 10 * GIB, _gpus(24, 8))
    configure(copies="1")
    assert plan("m", 4 * GIB, _gpus(20, 24)).places == ["cuda:1"]
    configure(copies="2", device_map="cuda:1")
    assert plan("m", 4 * GIB, _gpus(24, 24)).places == ["cuda:1"]
    configure(device_map="auto", max_memory='{"0": "10GiB"}')
    decided = plan("m", 4 * GIB, _gpus(24, 24))
    assert decided.places == ["auto"] and "STUDIO_MAX_MEMORY says" in str(decided)


def test_copies_that_nobody_asked_for_stay_within_the_budget(studio_home, configure):
    assert plan("m", 4 * GIB, _gpus(24, 24, 24), afforded=2).places == ["cuda:0", "cuda:1"]
    decided = plan("m", 4 * GIB, _gpus(24, 24), afforded=0)
    assert decided.how == "single" and "STUDIO_HOST_MEMORY_GIB" in str(decided)
    configure(copies="2")
    assert len(plan("m", 4 * GIB, _gpus(24, 24), afforded=1).places) == 2


def test_a_quantised_model_counts_by_its_quantised_size(tiny, configure):
    whole = placement.size_of(resolve(tiny))  # float32
    configure(quantization="4bit")
    assert 0.15 < placement.size_of(resolve(tiny)) / whole < 0.2


def test_every_reason_has_its_chinese():
    chinese = yaml.safe_load((ROOT / "pages" / "shared" / "zh.yaml").read_text(encoding="utf-8"))
    reasons = [value for name, value in vars(placement).items() if re.fullmatch("_[A-Z_]+", name)]
    assert len(reasons) == 10 and set(reasons) <= set(chinese)


def test_gpus_are_numbered_as_torch_numbers_them(monkeypatch):
    three = [Device(f"cuda:{n}", name, GIB, GIB) for n, name in enumerate("abc")]
    monkeypatch.setattr("engine.devices._nvidia", lambda: three)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == three
    for value, expected in {"2,0": "ca", "": "", "1,7,0": "b", "-1": ""}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert "".join(gpu.label for gpu in visible_gpus()) == expected
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert [gpu.name for gpu in visible_gpus()] == ["cuda:0", "cuda:1"]
