"""What a training computes in: as asked, else as the setting says, else what the processor is made for."""

import pytest
from transformers import TrainingArguments

from engine.models.loader import Placement, load_model
from engine.runs import open_run
from engine.settings import settings
from engine.training import memory, precision
from engine.training.specs import parse_spec
from engine.training.trainer.placement import training_placement
from tests.engine.training.helpers import losses, train


@pytest.fixture
def machine(monkeypatch):
    """A machine without GPUs whose processor has bfloat16 or not, and a setting."""

    def make(has_bf16: bool, dtype: str) -> None:
        monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has_bf16)
        monkeypatch.setattr(precision, "has_cuda", lambda: False)
        monkeypatch.setenv("STUDIO_DTYPE", dtype)
        settings.cache_clear()

    return make


@pytest.mark.parametrize(
    ("has_bf16", "dtype", "asked", "expected"),
    [
        (True, "auto", None, "bf16"),
        (True, "float32", None, "float32"),
        (True, "auto", False, "float32"),
        (False, "auto", None, "float32"),
        (False, "bfloat16", None, "bf16"),
        (False, "float32", True, "bf16"),
    ],
)
def test_a_cpu_trains_in_bf16_where_it_has_it(machine, has_bf16, dtype, asked, expected):
    machine(has_bf16, dtype)
    spec = parse_spec({"dataset": "zorvex", "adapter": "a", "bf16": asked})
    assert precision.precision(spec) == expected
    assert precision.in_half(spec) == (expected != "float32")


def test_the_base_is_counted_in_half(machine, starter):
    spec = parse_spec({"dataset": "zorvex", "adapter": "a"})
    machine(False, "auto")
    whole = memory.needed(spec, memory.shape("starter"))
    machine(True, "auto")
    assert memory.needed(spec, memory.shape("starter")).model * 2 == whole.model


def test_chat_stays_in_float32(machine, tiny):
    machine(True, "auto")
    assert str(load_model(tiny, Placement.from_settings()).dtype) == "torch.float32"


def test_a_run_in_bf16_learns_what_one_in_float32_learns(studio, tiny, sample_dataset):
    def run_losses(name: str, *more: object) -> list[float]:
        code, document, errors = train(studio, sample_dataset, name, tiny, "--max-steps", 3, *more, "--wait")
        assert code == 0, errors
        return list(losses(open_run(document["run"])).values())

    half, whole = run_losses("half", "--bf16"), run_losses("whole")
    assert half == pytest.approx(whole, rel=0.01) and half != whole


@pytest.mark.parametrize(("bf16", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_the_base_is_held_in_what_is_computed_in(machine, tiny, bf16, dtype):
    machine(True, "auto")
    spec = parse_spec({"dataset": "zorvex", "adapter": "a", "model": tiny})
    args = TrainingArguments(bf16=bf16, use_cpu=True)
    assert training_placement(spec, args).dtype == dtype
