"""A merged chat adapter answers as the adapters do together; its recipe is in the file, and the command says what it cost."""

import json
import math

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from engine.__main__ import parser
from engine.adapters.merging.merge import HEADER
from engine.adapters.store import CONFIG, WEIGHTS, read_adapter
from engine.files import read_json
from engine.models.adapters import with_adapter
from engine.models.loader import Placement, load_model

FLOAT32 = Placement(dtype="float32", device_map="cpu")
PROMPT = torch.tensor([list(range(3, 40))])


def _logits(model):
    with torch.inference_mode():
        return model(input_ids=PROMPT).logits


def _live(tiny: str, weighted: dict[str, float]):
    """The base with Σ weight · scale · B · A added to its own weights, from the adapters' files alone."""
    model = load_model(tiny, FLOAT32)
    for name, weight in weighted.items():
        path = read_adapter(name).path
        config, tensors = read_json(path / CONFIG), load_file(path / WEIGHTS)
        for key in tensors:
            if ".lora_A." in key:
                module = model.get_submodule(key.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
                product = tensors[key.replace(".lora_A.", ".lora_B.")] @ tensors[key]
                module.weight.data += weight * config["lora_alpha"] / config["r"] * product
    return model


def test_the_merged_adapter_gives_the_logits_of_the_live_combination(studio, tiny, make_adapter):
    """Through the command line; then loaded by PEFT as any adapter is."""
    weighted = {"red": 0.7, "blue": -0.4, "green": 0.2}
    for seed, name in enumerate(weighted):
        make_adapter(name, tiny, seed=seed)
    words = [f"{name}:{weight}" for name, weight in weighted.items()]
    code, document, errors = studio("adapters", "merge", *words, "--method", "cat", "--name", "both", "--json")
    assert code == 0, errors
    wanted, base = _logits(_live(tiny, weighted)), _logits(load_model(tiny, FLOAT32))
    found = _logits(with_adapter(load_model(tiny, FLOAT32), read_adapter("both"), tiny))
    error = float((found - wanted).abs().max())
    assert error < 1e-4 and float((base - wanted).abs().max()) > 0.1, error
    assert (document["name"], document["method"], document["exact"]) == ("both", "cat", True)
    assert document["max_error"] < 1e-5 and math.isclose(document["energy"], 1)
    assert document["rank"] == 12 and len(document["layers"]) == 14 and "Exact" in document["note"]


def test_the_recipe_stands_in_the_header_and_on_the_card(tiny, make_adapter, capsys):
    parents = [make_adapter("red", tiny, seed=1), make_adapter("blue", tiny, seed=2)]
    words = "adapters merge red blue:0.5 --method dare_ties --name b --density 0.4 --seed 9"
    arguments = parser().parse_args(words.split())
    arguments.run(arguments)
    said = capsys.readouterr().out
    assert "Approximate by nature" in said and "energy is kept" in said and said.count("error") == 5
    merged = read_adapter("b", kind="chat")
    recipe = {
        "parents": [
            {"name": adapter.name, "fingerprint": adapter.fingerprint, "weight": weight}
            for adapter, weight in zip(parents, (1.0, 0.5), strict=True)
        ],
        "method": "dare_ties",
        "rank": None,
        "density": 0.4,
        "seed": 9,
        "dtype": "float32",
    }
    with safe_open(merged.path / WEIGHTS, framework="pt") as file:
        assert json.loads(file.metadata()[HEADER]) == recipe
    card = merged.card
    assert card.spec == recipe and card.method == "merge" and card.created > parents[1].card.created
    assert (card.base_model, card.base_fingerprint) == (tiny, parents[0].card.base_fingerprint)
    assert set(card.metrics) == {"max_error", "energy"}


def test_words_that_are_no_weights_are_one_sentence(studio):
    code, _, errors = studio("adapters", "merge", "red:much", "--name", "both")
    assert (code, len(errors.strip().splitlines())) == (2, 1) and "NAME:WEIGHT" in errors
