"""What would be silently wrong is refused with its reason, and leaves nothing in the store."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.adapters.merging.merge import merge
from engine.adapters.merging.methods import METHODS, Options
from engine.adapters.store import CONFIG, WEIGHTS, list_adapters
from engine.errors import BadInput
from engine.files import read_json, write_json
from tests.engine.adapters.merging.helpers import layers, put, uniform

UP = "model.layers.0.up_proj"


@pytest.fixture(autouse=True)
def one(studio_home):
    """The adapter that the others are merged with."""
    return put("one", uniform(1))


def _refused(reason: str, method: str = "cat", options: Options | None = None, other: str = "two", **more) -> None:
    before = {adapter.name for adapter in list_adapters()}
    with pytest.raises(BadInput, match=reason):
        merge([("one", 1), (other, 1)], "both", method, options, **more)
    assert {adapter.name for adapter in list_adapters()} == before


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"lora_bias": True}, "biases"),
        ({"modules_to_save": ["score"]}, "modules_to_save"),
        ({"trainable_token_indices": [1]}, "trained tokens"),
        ({"target_parameters": ["experts"]}, "parameters outside"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"r": 3}, "damaged"),
        ({"lora_alpha": "much"}, "damaged"),
        ({"alpha_pattern": {"(": 3}}, "damaged"),
        ({"peft_type": "LOHA"}, "only LoRA"),
    ],
)
def test_settings_under_which_it_is_more_than_lora(settings, reason):
    adapter = put("two", uniform(2))
    write_json(adapter.path / CONFIG, {**read_json(adapter.path / CONFIG), **settings})
    _refused(reason)


def _change(change) -> None:
    adapter = put("two", uniform(2))
    tensors = load_file(adapter.path / WEIGHTS)
    change(tensors, f"base_model.model.{UP}.lora_A.weight")
    save_file(tensors, adapter.path / WEIGHTS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors, key: tensors.pop(key), "half an adapter"),
        (lambda tensors, key: tensors.update({key: tensors[key][:2].clone()}), "damaged"),
        (lambda tensors, key: tensors.update({key: tensors[key] * math.inf}), "no numbers"),
        (
            lambda tensors, key: tensors.update({"x.weight": torch.ones(2)}),
            "belong to no LoRA layer, such as “x.weight”",
        ),
        (lambda tensors, key: tensors.update({"x.lora_magnitude_vector": torch.ones(2)}), "DoRA"),
        (lambda tensors, key: tensors.update({"x.lora_embedding_A": torch.ones(2)}), "embeddings"),
        (lambda tensors, key: tensors.clear(), "damaged"),
    ],
)
def test_weights_that_are_no_pairs(change, reason):
    _change(change)
    _refused(reason)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"base_model": "large"}, "“one” was made for tiny and “two” for large"),
        ({"base_model": ""}, "an unknown model"),
        ({"kind": "reward"}, "of kind chat and “two” of kind reward"),
        ({"kind": "image", "family": "sd1"}, "only adapters of one kind"),
    ],
)
def test_another_base_or_kind(card, reason):
    put("two", uniform(2), **card)
    _refused(reason)


def test_another_name_of_the_same_weights_is_the_same_base():
    put("a", uniform(2), base_model="x", base_fingerprint="0123")
    put("b", uniform(3), base_model="y", base_fingerprint="0123")
    merged = merge([("a", 1), ("b", 1)], "both").adapter
    assert (merged.card.base_model, merged.card.base_fingerprint) == ("x", "0123")


def test_other_sizes_under_the_same_names():
    part = uniform(2)
    put("two", {**part, UP: replace(part[UP], a=torch.zeros(4, 9))})
    _refused("other sizes in “one” than in “two”")


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.equal_ranks])
def test_ranks_that_differ_in_one_layer_alone(method):
    """PEFT compares the largest ranks, which are the same here."""
    put("two", {**uniform(2), **layers(3, {UP: 2})})
    _refused(f"{method} needs equal ranks, and “{UP}” has rank 4 in “one” and 2 in “two”", method)


@pytest.mark.parametrize(
    ("method", "options", "reason"),
    [
        ("average", Options(), "no method “average”"),
        ("cat", Options(rank=4), "takes no rank"),
        ("linear", Options(density=0.5), "takes no density"),
        ("ties", Options(seed=1), "takes no seed"),
        ("svd", Options(rank=0), "at least 1"),
        ("ties", Options(density=0), "more than 0"),
        ("ties", Options(density=1.5), "at most 1"),
        ("dare_ties", Options(density=math.nan), "more than 0"),
    ],
)
def test_options_that_make_no_sense(method, options, reason):
    put("two", uniform(2))
    _refused(reason, method, options)


@pytest.mark.parametrize(
    ("weighted", "reason"),
    [
        ([], "Name the adapters"),
        ([("one", 1.0), ("one", 2.0)], "named twice"),
        ([("one", 0.0)], "other than 0"),
        ([("one", math.inf)], "other than 0"),
        ([("gone", 1.0)], "no adapter “gone”"),
    ],
)
def test_weights_and_names_that_are_none(weighted, reason):
    with pytest.raises(BadInput, match=reason):
        merge(weighted, "both")


def test_a_name_that_is_taken_and_values_too_large_for_the_type():
    put("two", uniform(2))
    with pytest.raises(BadInput, match="already"):
        merge([("one", 1), ("two", 1)], "one")
    with pytest.raises(BadInput, match="too large for float16"):
        merge([("one", 1e9), ("two", 1)], "both", dtype="float16")
    _refused("no type", dtype="int8")
