"""Adapters live in a pipeline: together, apart, per block, let go; refused where they do not fit; merged and fused to the same picture."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine.adapters.merging.merge import merge
from engine.diffusion.catalog import fingerprint, resolve
from engine.diffusion.drawing import DrawRequest, draw
from engine.diffusion.fuse import fuse, fuse_into
from engine.diffusion.live_loras import LiveLoras, complete
from engine.diffusion.pipelines import load
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from tests.picture_models import TEXT, UNET, make_lora

RECIPE = Recipe(prompt="a red apple", steps=3, seed=5)
RED, BLUE = LoraWeight(name="red", weight=0.7), LoraWeight(name="blue", weight=-0.4)


def pixels(image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


class Studio:
    """A pipeline with its adapters."""

    def __init__(self, name: str):
        source = resolve(name)
        self.pipe = load(source)
        self.loras = LiveLoras(self.pipe, source, fingerprint(source))

    def draw(self, *loras: LoraWeight) -> np.ndarray:
        self.loras.activate(list(loras))
        return self.as_it_is()

    def as_it_is(self) -> np.ndarray:
        return pixels(draw(self.pipe, DrawRequest(RECIPE))[0].image)


@pytest.fixture
def studio_of(pictures, tiny_picture_folder):
    """The tiny pipeline; two adapters of other ranks and alphas, with other layers in part."""
    make_lora("red", tiny_picture_folder, seed=1, rank=4, alpha=8)
    make_lora("blue", tiny_picture_folder, seed=2, rank=3, alpha=1.5, unet=UNET[:2], text=TEXT[:1])
    return Studio(pictures)


def test_adapters_together_apart_and_gone(studio_of):
    base = studio_of.draw()
    red, blue, both = studio_of.draw(RED), studio_of.draw(BLUE), studio_of.draw(RED, BLUE)
    for a, b in ((base, red), (base, blue), (red, both), (blue, both), (red, blue)):
        assert np.abs(a - b).max() > 3, "each must be seen"
    assert (studio_of.draw() == base).all(), "without adapters it is the base, to the bit"
    assert (studio_of.draw(RED) == red).all()
    assert studio_of.loras.loaded == ["blue", "red"]


def test_weights_and_alpha_count(studio_of):
    red = studio_of.draw(RED)
    assert np.abs(studio_of.draw(RED.model_copy(update={"weight": 1.4})) - red).max() > 3
    assert (studio_of.draw(RED.model_copy(update={"weight": 0.0})) == studio_of.draw()).all()
    module = studio_of.pipe.unet.conv_in
    studio_of.draw(RED)
    (slot,) = [slot for slot in module.scaling if slot.startswith("red-")]
    assert module.scaling[slot] == pytest.approx(0.7 * 8 / 4)


def test_weights_per_block(studio_of):
    studio_of.draw(RED)
    by_block = LoraWeight(name="red", weight=0.5, blocks={"text_encoder": 0.0, "up": 2.0, "up.1": -1.0})
    studio_of.draw(by_block)

    def scale(module) -> float:
        return next(value for slot, value in module.scaling.items() if slot.startswith("red-")) / 2

    unet = studio_of.pipe.unet
    assert scale(unet.up_blocks[1].attentions[0].proj_in) == -1.0
    assert scale(unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_k) == 0.5
    assert scale(unet.conv_in) == 0.5
    assert scale(studio_of.pipe.text_encoder.encoder.layers[1].mlp.fc1) == 0.0
    with pytest.raises(BadInput, match="no block “sideways”"):
        complete(
            RECIPE.model_copy(update={"loras": [LoraWeight(name="red", blocks={"sideways": 1})]}), "m", "f", "other"
        )


def test_the_least_used_is_let_go_and_comes_back(studio_of, tiny_picture_folder, monkeypatch):
    monkeypatch.setattr("engine.diffusion.live_loras.MOST_LOADED", 2)
    make_lora("green", tiny_picture_folder, seed=3)
    green = LoraWeight(name="green")
    red, three = studio_of.draw(RED), studio_of.draw(RED, BLUE, green)
    assert studio_of.loras.loaded == ["red", "blue", "green"], "as many as one picture needs"
    studio_of.draw(green)
    assert studio_of.loras.loaded == ["blue", "green"]
    assert (studio_of.draw(RED) == red).all() and (studio_of.draw(RED, BLUE, green) == three).all()


def test_a_cat_merge_draws_what_the_live_combination_draws(studio_of):
    live = studio_of.draw(RED, BLUE)
    merge([("red", 0.7), ("blue", -0.4)], "both")
    merged = studio_of.draw(LoraWeight(name="both"))
    assert np.abs(merged - live).max() <= 1
    studio_of.loras.activate_merged([RED, BLUE], "cat")
    assert np.abs(studio_of.as_it_is() - live).max() <= 1
    studio_of.loras.activate_merged([RED, BLUE], "svd")
    assert np.abs(studio_of.as_it_is() - live).max() > 1, "a small rank is another picture"
    by_block = RED.model_copy(update={"blocks": {"up": -1.0, "text_encoder": 0.1}})
    blocks = studio_of.draw(by_block, BLUE)
    studio_of.loras.activate_merged([by_block, BLUE], "cat")
    assert np.abs(studio_of.as_it_is() - blocks).max() <= 1


def test_fused_it_draws_the_same_and_undone_it_has_its_bits_back(studio_of, pictures):
    live, base = studio_of.draw(RED, BLUE), studio_of.draw()
    clean = Studio(pictures)
    before = {name: p.clone() for name, p in clean.pipe.unet.named_parameters()}
    fusion = fuse_into(clean.pipe, [RED, BLUE])
    assert np.abs(clean.as_it_is() - live).max() <= 1
    fusion.undo()
    assert all(torch.equal(p, before[name]) for name, p in clean.pipe.unet.named_parameters())
    assert (clean.as_it_is() == base).all()
    fuse_into(studio_of.pipe, [RED])  # around adapters that are loaded and idle
    assert np.abs(studio_of.as_it_is() - Studio(pictures).draw(RED)).max() <= 1


def test_a_fused_folder_needs_no_adapter(studio_of, tmp_path):
    live = studio_of.draw(RED, BLUE)
    made = fuse([RED, BLUE], tmp_path / "fused")
    assert made.dtype == "float32" and made.base_model == "tiny-pictures"
    assert np.abs(Studio(str(tmp_path / "fused")).draw() - live).max() <= 1
    half = fuse([RED], tmp_path / "half", dtype="float16")
    kept = load_file(next((half.path / "unet").glob("*.safetensors")))
    assert {tensor.dtype for tensor in kept.values()} == {torch.float16}
    with pytest.raises(BadInput, match="not empty"):
        fuse([RED], tmp_path / "half")


def test_adapters_that_do_not_fit_are_refused(studio_of, xl, tiny_picture_folder, tiny_xl_folder):
    make_lora(
        "of-xl",
        tiny_xl_folder,
        base="tiny-xl",
        unet=("up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k",),
        text=(),
    )
    with pytest.raises(BadInput, match=r"“of-xl” does not fit “tiny-pictures”: its layer unet.up_blocks"):
        studio_of.draw(LoraWeight(name="of-xl"))
    make_lora("stranger", tiny_picture_folder, base="another", fingerprint="0" * 16)
    with pytest.raises(BadInput, match="“stranger” was made for another, not for tiny-pictures"):
        studio_of.draw(LoraWeight(name="stranger"))
    make_lora("large", tiny_picture_folder, family="sdxl")
    with pytest.raises(BadInput, match="“large” is for SDXL and “tiny-pictures” is another Stable Diffusion"):
        studio_of.draw(LoraWeight(name="large"))
    assert studio_of.loras.loaded == []
    base = studio_of.draw()
    assert np.abs(studio_of.draw(RED) - base).max() > 3, "a refusal breaks nothing"


def test_both_text_encoders_of_xl_take_adapters(xl, tiny_xl_folder):
    import tempfile
    from pathlib import Path

    from engine.adapters.importing import write_image
    from engine.adapters.lora import Layer
    from engine.adapters.store import Card, publish

    def layer(seed: int, width: int) -> Layer:
        generator = torch.Generator().manual_seed(seed)
        a, b = torch.randn(2, width, generator=generator), torch.randn(width, 2, generator=generator)
        return Layer(a, b, 2.0)

    path = "text_model.encoder.layers.0.self_attn.q_proj"
    with tempfile.TemporaryDirectory() as made:
        write_image(
            Path(made), {"text_encoder": {path: layer(1, 32)}, "text_encoder_2": {path: layer(2, 48)}}, "tiny-xl"
        )
        publish("words", Path(made), Card(kind="image", base_model="tiny-xl"))
    studio = Studio(xl)
    base, words = studio.draw(), studio.draw(LoraWeight(name="words"))
    assert np.abs(base - words).max() > 1
    assert (studio.draw(LoraWeight(name="words", blocks={"text_encoder": 0})) == base).all()
