"""`cat` does what the adapters do together, whatever their ranks, alphas and weights; `svd` at full rank does too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters.lora import Layer, Part
from engine.adapters.merging.measure import measure
from engine.adapters.merging.merge import _layer, merge
from engine.adapters.merging.methods import METHODS, Options, Term
from engine.adapters.store import CONFIG
from engine.files import read_json
from tests.engine.adapters.merging.helpers import SIZES, delta, deltas, difference, layers, live, put, uniform

Q0, UP, Q1 = SIZES


@pytest.fixture
def red() -> Part:
    """Ranks and alphas of its own for some modules, alpha ≠ rank."""
    part = layers(1, {Q0: 2, UP: 5}, {Q0: 7.0, UP: 3.0})
    put("red", part)
    return part


@pytest.fixture
def blue() -> Part:
    """One module in common with red, one that red lacks."""
    part = layers(2, {UP: 3, Q1: 4}, {UP: 16.0, Q1: 0.5})
    put("blue", part)
    return part


@pytest.mark.parametrize("method", ["cat", "svd"])
def test_mixed_ranks_alphas_a_negative_weight_and_modules_of_one_alone(red, blue, method):
    options = Options(rank=20) if method == "svd" else Options()
    merged = merge([("red", 0.75), ("blue", -1.5)], "both", method, options)
    wanted = live([(red, 0.75), (blue, -1.5)])
    assert difference(deltas("both"), wanted) < 1e-5
    assert merged.max_error < 1e-5 and merged.energy == pytest.approx(1, abs=1e-9) and merged.exact
    assert {error.layer: error.rank for error in merged.layers}[UP] == 8
    assert {error.layer: error.largest for error in merged.layers}[UP] == pytest.approx(float(wanted[UP].abs().max()))
    one_sided = live([(red, 0.75), (blue, 1.5)])
    assert difference(deltas("both"), one_sided) > 1  # the sign matters


def test_ranks_of_their_own_stand_in_pefts_patterns_and_alpha_is_rank(red, blue):
    merged = merge([("red", 1), ("blue", 1)], "both")
    config = read_json(merged.adapter.path / CONFIG)
    ranks = {path: config["rank_pattern"].get(f"^{path}", config["r"]) for path in SIZES}
    assert ranks == {Q0: 2, UP: 8, Q1: 4}
    assert {path: config["alpha_pattern"].get(f"^{path}", config["lora_alpha"]) for path in SIZES} == ranks
    assert sorted(config["target_modules"]) == sorted(SIZES)


def test_one_adapter_alone_is_scaled(red):
    merge([("red", -0.5)], "less")
    assert difference(deltas("less"), live([(red, -0.5)])) < 1e-5


def test_rank_stabilised_lora_counts_with_its_own_scale(blue):
    part = layers(3, {UP: 4}, {UP: 6.0})
    adapter = put("stable", part)
    settings_ = read_json(adapter.path / CONFIG)
    from engine.files import write_json

    write_json(adapter.path / CONFIG, {**settings_, "use_rslora": True})
    as_peft_scales = {UP: Layer(part[UP].a, part[UP].b, 6.0 / 4**0.5 * 4)}
    merged = merge([("stable", 1), ("blue", 1)], "both")
    assert difference(deltas("both"), live([(as_peft_scales, 1), (blue, 1)])) < 1e-5
    assert read_json(merged.adapter.path / CONFIG)["use_rslora"] is False


def test_svd_keeps_the_strongest_directions_and_says_how_much_that_is():
    one, two = uniform(1), uniform(2)
    put("one", one)
    put("two", two)
    merged = merge([("one", 1), ("two", 0.5)], "small", "svd", Options(rank=3))
    wanted = live([(one, 1), (two, 0.5)])
    singular = {path: torch.linalg.svdvals(matrix) for path, matrix in wanted.items()}
    best = {path: float(values[:3].square().sum() / values.square().sum()) for path, values in singular.items()}
    for error in merged.layers:
        assert error.energy == pytest.approx(best[error.layer], abs=1e-6) and error.rank == 3
    assert 0.3 < merged.energy < 0.999 and not merged.exact
    assert merge([("one", 1), ("two", 0.5)], "as-large", "svd").adapter.rank == 4  # the parents' largest


def test_convolutions_merge_as_their_matrices_do():
    def conv(seed: int, rank: int) -> Layer:
        torch.manual_seed(seed)
        return Layer(torch.randn(rank, 6, 3, 3), torch.randn(10, rank, 1, 1), 5.0)

    one, two = {"conv": conv(1, 2)}, {"conv": conv(2, 3)}
    put("one", one)
    put("two", two)
    for method in ("cat", "svd"):
        merge([("one", 1), ("two", -2)], method, method, Options(rank=9) if method == "svd" else Options())
        assert difference(deltas(method), live([(one, 1), (two, -2)])) < 1e-5


def test_a_smaller_type_rounds_and_the_error_says_so(red, blue):
    whole = merge([("red", 0.3), ("blue", 0.3)], "whole")
    half = merge([("red", 0.3), ("blue", 0.3)], "half", dtype="float16")
    assert whole.max_error < 1e-6 < 1e-4 < half.max_error < 0.1
    assert half.max_error == pytest.approx(difference(deltas("half"), live([(red, 0.3), (blue, 0.3)])))


@st.composite
def _terms(draw) -> list[Term]:
    sizes = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    terms = []
    for seed in range(draw(st.integers(1, 4))):
        rank = draw(st.integers(1, 6))
        generator = torch.Generator().manual_seed(seed)
        a, b = (torch.randn(*shape, generator=generator) for shape in ((rank, sizes[1]), (sizes[0], rank)))
        alpha = draw(st.floats(0.1, 64))
        terms.append(Term(Layer(a, b, alpha), draw(st.floats(-2, 2).filter(bool))))
    return terms


@settings(max_examples=60, deadline=None)
@given(_terms())
def test_any_ranks_alphas_and_weights(terms):
    wanted = sum(term.weight * delta(term.layer) for term in terms)
    assert isinstance(wanted, torch.Tensor)
    scale = max(1.0, *(abs(term.factor) for term in terms))  # rounding is relative
    for method, options in (("cat", Options()), ("svd", Options(rank=100))):
        layer = _layer(METHODS[method].merge(terms, options, torch.Generator()), torch.float32)
        assert float((delta(layer) - wanted).abs().max()) < 1e-5 * scale
        error = measure("x", layer, terms)
        assert error.max_error < 1e-5 * scale and error.largest == pytest.approx(float(wanted.abs().max()), abs=1e-9)
