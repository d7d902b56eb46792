"""The methods that are approximate by nature: each by its own formula, the same as PEFT's where PEFT is right, and drawn once by one seed."""

from typing import Any

import pytest
import torch

from engine.adapters.lora import Part, read_lora
from engine.adapters.merging.merge import merge
from engine.adapters.merging.methods import METHODS, Options
from engine.adapters.store import WEIGHTS, read_adapter
from tests.engine.adapters.merging.helpers import SIZES, deltas, difference, live, put, uniform

APPROXIMATE = [name for name, method in METHODS.items() if method.equal_ranks]


@pytest.fixture
def pair() -> tuple[Part, Part]:
    """Two adapters of the same ranks, alpha ≠ rank."""
    one, two = uniform(1, alpha=8), uniform(2, alpha=2)
    put("one", one)
    put("two", two)
    return one, two


def _weights(name: str) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    return {path: (layer.a, layer.b) for path, layer in read_lora(read_adapter(name))[""].items()}


def test_linear_is_its_own_formula_and_not_the_sum(pair):
    one, two = pair
    merged = merge([("one", 0.5), ("two", -0.8)], "both", "linear")
    for path, (a, b) in _weights("both").items():
        roots = (0.5 * 8 / 4) ** 0.5, (0.8 * 2 / 4) ** 0.5
        assert torch.allclose(a, roots[0] * one[path].a - roots[1] * two[path].a, atol=1e-6)
        assert torch.allclose(b, roots[0] * one[path].b + roots[1] * two[path].b, atol=1e-6)
    wanted = live([(one, 0.5), (two, -0.8)])
    assert difference(deltas("both"), wanted) > 0.5 and not merged.exact
    assert merged.max_error == pytest.approx(difference(deltas("both"), wanted))
    lost = sum(float((deltas("both")[path] - wanted[path]).square().sum()) for path in wanted)
    total = sum(float(matrix.square().sum()) for matrix in wanted.values())
    assert merged.energy == pytest.approx(max(0, 1 - lost / total))


def _with_peft(pair: tuple[Part, Part], weights: list[float], method: str, density: float | None) -> Any:
    """PEFT's own merge of the same matrices, in a model of the same modules."""
    from peft import LoraConfig, PeftModel

    model = torch.nn.Module()
    for path, (rows, columns) in SIZES.items():
        at = model
        *parents, last = path.split(".")
        for parent in parents:
            if not hasattr(at, parent):
                at.add_module(parent, torch.nn.Module())
            at = getattr(at, parent)
        at.add_module(last, torch.nn.Linear(columns, rows, bias=False))
    wrapped: Any = None
    for name, alpha in (("one", 8), ("two", 2)):
        config = LoraConfig(r=4, lora_alpha=alpha, target_modules=list(SIZES))
        if wrapped is None:
            wrapped = PeftModel(model, config, adapter_name=name)  # type: ignore[arg-type]
        else:
            wrapped.add_adapter(name, config)
    modules = dict(wrapped.base_model.model.named_modules())
    for name, part in zip(("one", "two"), pair, strict=True):
        for path, layer in part.items():
            modules[path].lora_A[name].weight.data = layer.a.clone()
            modules[path].lora_B[name].weight.data = layer.b.clone()
    wrapped.add_weighted_adapter(["one", "two"], weights, "both", method, density=density)
    return {path: (modules[path].lora_A["both"].weight, modules[path].lora_B["both"].weight) for path in SIZES}


@pytest.mark.parametrize("method", ["linear", "ties", "magnitude_prune"])
def test_what_peft_does_right_is_what_we_do(pair, method):
    density = None if method == "linear" else 0.4
    merge([("one", 0.7), ("two", 1.2)], "both", method, Options(density=density))
    found, wanted = _weights("both"), _with_peft(pair, [0.7, 1.2], method, density)
    for path in SIZES:
        for ours, theirs in zip(found[path], wanted[path], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)


def test_ties_elects_signs_as_they_count(pair):
    """Taking an adapter away is adding its opposite; PEFT elects before it turns the sign."""
    opposite = {path: type(layer)(-layer.a, layer.b, layer.alpha) for path, layer in pair[1].items()}
    put("opposite", opposite)
    merge([("one", 1), ("two", -1)], "taken", "ties")
    merge([("one", 1), ("opposite", 1)], "added", "ties")
    assert difference(deltas("taken"), deltas("added")) < 1e-6


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_one_seed_twice_is_identical_and_the_global_generator_is_left_alone(pair, method):
    both = [("one", 1.0), ("two", 0.5)]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = merge(both, "first", method, Options(density=0.6, seed=7)).adapter
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = merge(both, "again", method, Options(density=0.6, seed=7)).adapter
    other = merge(both, "other", method, Options(density=0.6, seed=8)).adapter
    assert (first.path / WEIGHTS).read_bytes() == (again.path / WEIGHTS).read_bytes()
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_dare_keeps_its_share_and_makes_up_for_the_rest(pair):
    one, _ = pair
    merge([("one", 0.5)], "thin", "dare_linear", Options(density=0.5, seed=3))  # weight · scale is 1
    kept = []
    for path, (a, b) in _weights("thin").items():
        for ours, theirs in ((a, one[path].a), (b, one[path].b)):
            assert torch.allclose(ours[ours != 0], 2 * theirs[ours != 0])
            kept.append((ours != 0).float().mean())
    assert 0.4 < float(torch.stack(kept).mean()) < 0.6


@pytest.mark.parametrize("method", [method for method in APPROXIMATE if method != "linear"])
def test_nothing_pruned_is_the_method_without_pruning(pair, method):
    merge([("one", 0.7), ("two", 0.4)], "whole", method, Options(density=1.0))
    plain = "ties" if method.endswith("ties") else "linear"
    merge([("one", 0.7), ("two", 0.4)], "plain", plain, Options(density=1.0) if plain == "ties" else Options())
    assert difference(deltas("whole"), deltas("plain")) < 1e-6


@pytest.mark.parametrize("method", APPROXIMATE)
def test_each_says_that_it_is_approximate(pair, method):
    merged = merge([("one", 1), ("two", 1)], "both", method)
    assert merged.note.startswith("Approximate by nature") and not merged.exact
    assert merged.energy < 0.99 and merged.max_error > 0.1
