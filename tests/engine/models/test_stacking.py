"""Two adapters stacked give the logits that the second, trained on the merged first, gave."""

from typing import Any

import pytest
import torch

from engine.errors import BadInput
from engine.models.stacking import stack


def _adapter(model, folder, seed: int, **more):
    """A LoRA adapter with random weights, saved; and the model with it."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=2 + seed, lora_alpha=7, init_lora_weights=False, task_type="CAUSAL_LM", **more)
    wrapped = get_peft_model(model, config)
    wrapped.save_pretrained(folder)
    return wrapped


def test_stacked_adapters_do_what_both_do(tiny, tmp_path):
    from peft import PeftModel

    from engine.models.loader import load_model

    ids = torch.tensor([[5, 6, 7, 8]])
    lower = _adapter(load_model(tiny), tmp_path / "lower", 0, target_modules=["q_proj", "up_proj"])
    upper = _adapter(lower.merge_and_unload(), tmp_path / "upper", 1, target_modules=["q_proj", "v_proj"])
    with torch.inference_mode():
        wanted = upper.eval()(input_ids=ids).logits
    stack(tmp_path / "lower", tmp_path / "upper")
    stacked: Any = PeftModel.from_pretrained(load_model(tiny), str(tmp_path / "upper")).eval()
    with torch.inference_mode():
        found = stacked(input_ids=ids).logits
    assert torch.allclose(found, wanted, atol=1e-5)
    assert stacked.peft_config["default"].r == 2 + 3


def test_what_is_more_than_lora_is_refused(tiny, tmp_path):
    from engine.models.loader import load_model

    _adapter(load_model(tiny), tmp_path / "lower", 0, target_modules=["q_proj"], use_dora=True)
    _adapter(load_model(tiny), tmp_path / "upper", 1, target_modules=["q_proj"])
    with pytest.raises(BadInput, match="cannot be stacked"):
        stack(tmp_path / "lower", tmp_path / "upper")
