"""Drawing with tiny real pipelines: seeds, batches, modes, schedulers, masks, cancelling."""

import numpy as np
import pytest
from PIL import Image

from engine.diffusion import previews
from engine.diffusion.drawing import DrawRequest, draw
from engine.diffusion.recipe import Recipe
from engine.diffusion.schedulers import TITLES
from engine.errors import BadInput

RECIPE = Recipe(prompt="a red apple", steps=4, seed=7)


def pixels(image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def same(a, b) -> bool:
    return bool((pixels(a) == pixels(b)).all())


@pytest.fixture
def source():
    """A picture with all colours."""
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype("uint8")
    return Image.fromarray(ramp)


@pytest.fixture
def every_preview(monkeypatch):
    """A preview at every step, however fast they are."""
    monkeypatch.setattr(previews, "INTERVAL", 0)
    monkeypatch.setattr(previews, "SHARE", 1e9)


def test_a_seed_is_a_picture_and_its_recipe_draws_it_again(tiny_pipe):
    first, other = draw(tiny_pipe, DrawRequest(RECIPE, count=2))
    assert [one.recipe.seed for one in (first, other)] == [7, 8]
    assert not same(first.image, other.image)
    assert same(
        draw(tiny_pipe, DrawRequest(first.recipe))[0].image, draw(tiny_pipe, DrawRequest(first.recipe))[0].image
    )
    assert first.image.size == (64, 64)


@pytest.mark.parametrize("mode", ["txt2img", "img2img", "inpaint"])
@pytest.mark.parametrize("scheduler", ["ddim", "euler_a", "lcm"])
def test_a_picture_is_the_same_alone_or_among_others(tiny_pipe, source, mode, scheduler, monkeypatch):
    monkeypatch.setattr("engine.diffusion.drawing.pictures_at_once", lambda *_: 4)  # as on a GPU
    recipe = RECIPE.model_copy(update={"mode": mode, "scheduler": scheduler})
    mask = Image.new("L", (64, 64), 255)
    together = draw(tiny_pipe, DrawRequest(recipe, 4, source, mask))
    for drawing in together:
        (alone,) = draw(tiny_pipe, DrawRequest(drawing.recipe, 1, source, mask))
        assert np.abs(pixels(alone.image) - pixels(drawing.image)).max() <= 1


@pytest.mark.parametrize("scheduler", list(TITLES))
def test_every_scheduler_draws_in_every_mode(tiny_pipe, source, scheduler, every_preview):
    mask = Image.new("L", (64, 64), 255)
    for mode in ("txt2img", "img2img", "inpaint"):
        steps = []
        recipe = RECIPE.model_copy(update={"mode": mode, "scheduler": scheduler, "steps": 5})
        (drawing,) = draw(tiny_pipe, DrawRequest(recipe, 1, source, mask), steps.append)
        assert pixels(drawing.image).std() > 1
        assert [one.step for one in steps] == list(range(1, len(steps) + 1)) and steps[-1].step == steps[-1].steps
        assert steps[-1].previews[0].size == (64, 64)


def test_the_mask_decides_what_stays_to_the_bit(tiny_pipe, source):
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (20, 20, 23, 61))  # a stroke three pixels wide, thinner than a latent
    recipe = RECIPE.model_copy(update={"mode": "inpaint", "strength": 1.0})
    (drawing,) = draw(tiny_pipe, DrawRequest(recipe, 1, source, mask))
    changed = (pixels(drawing.image) != pixels(source)).any(-1)
    painted = np.asarray(mask) > 0
    assert not changed[~painted].any()
    assert changed[painted].mean() > 0.9


def test_img2img_keeps_more_of_the_source_at_less_strength(tiny_pipe, source):
    def distance(strength: float) -> float:
        recipe = RECIPE.model_copy(update={"mode": "img2img", "strength": strength, "steps": 20})
        (drawing,) = draw(tiny_pipe, DrawRequest(recipe, 1, source))
        (kept,) = draw(tiny_pipe, DrawRequest(recipe.model_copy(update={"strength": 0.05}), 1, source))
        return np.abs(pixels(drawing.image) - pixels(kept.image)).mean()

    assert distance(0.3) < distance(1.0)


def test_a_source_of_another_size_is_cut_not_squeezed(tiny_pipe, source):
    wide = Image.new("RGB", (256, 128), "red")
    wide.paste(source.resize((128, 128)), (64, 0))
    recipe = RECIPE.model_copy(update={"mode": "inpaint"})
    mask = Image.new("L", (256, 128), 0)
    mask.paste(255, (0, 0, 80, 128))
    (drawing,) = draw(tiny_pipe, DrawRequest(recipe, 1, wide, mask))
    assert not (pixels(drawing.image)[:, 12:] == [255, 0, 0]).all(-1).any()


def test_cancelling_ends_after_the_step_and_keeps_what_was_finished(tiny_pipe):
    steps = []
    drawn = draw(tiny_pipe, DrawRequest(RECIPE, 3), steps.append, lambda: len(steps) == 6)
    assert len(steps) == 6 and steps[-1].steps == 12
    assert len(drawn) == 1 and same(drawn[0].image, draw(tiny_pipe, DrawRequest(RECIPE))[0].image)


def test_drawing_leaves_the_pipeline_as_it_was(tiny_pipe, source):
    before = (tiny_pipe.scheduler, dict(tiny_pipe.unet.config))
    draw(
        tiny_pipe,
        DrawRequest(
            RECIPE.model_copy(update={"mode": "inpaint", "scheduler": "euler"}), 1, source, source.convert("L")
        ),
    )
    assert (tiny_pipe.scheduler, dict(tiny_pipe.unet.config)) == before


def test_negative_prompt_guidance_and_size_count(tiny_pipe):
    (base,) = draw(tiny_pipe, DrawRequest(RECIPE))
    for change in ({"negative_prompt": "whale"}, {"guidance_scale": 9.0}, {"prompt": "a blue whale"}, {"steps": 5}):
        assert not same(draw(tiny_pipe, DrawRequest(RECIPE.model_copy(update=change)))[0].image, base.image), change
    (wide,) = draw(tiny_pipe, DrawRequest(RECIPE.model_copy(update={"width": 96, "height": 72})))
    assert wide.image.size == (96, 72)


@pytest.mark.parametrize(
    ("change", "with_source", "with_mask", "words"),
    [
        ({"mode": "img2img"}, False, False, "no picture to start from"),
        ({"mode": "inpaint"}, True, False, "no mask"),
        ({"mode": "inpaint"}, True, True, "mask is empty"),
        ({"mode": "img2img", "strength": 0.1}, True, False, "less than one step"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(tiny_pipe, source, change, with_source, with_mask, words):
    mask = Image.new("L", (64, 64), 0) if with_mask else None
    request = DrawRequest(RECIPE.model_copy(update=change), 1, source if with_source else None, mask)
    with pytest.raises(BadInput, match=words):
        draw(tiny_pipe, request)


def test_a_linear_preview_is_near_what_the_autoencoder_decodes(every_preview, monkeypatch):
    from engine.diffusion.catalog import resolve
    from engine.diffusion.pipelines import load

    pipe = load(resolve("starter"))
    seen = []
    (drawn,) = draw(pipe, DrawRequest(RECIPE.model_copy(update={"steps": 20})), seen.append)
    assert np.abs(pixels(seen[-1].previews[0]) - pixels(drawn.image)).mean() < 20, "small pictures are decoded"
    monkeypatch.setattr(previews, "_DECODED", 0)
    draw(pipe, DrawRequest(RECIPE.model_copy(update={"steps": 20})), seen.append)
    quick, real = (pixels(p.resize((8, 8), Image.Resampling.BOX)) for p in (seen[-1].previews[0], drawn.image))
    assert np.abs(quick - real).mean() < np.abs(real - real.mean((0, 1))).mean()


def test_xl_draws_in_every_mode(xl, source, monkeypatch):
    from engine.diffusion.catalog import resolve
    from engine.diffusion.pipelines import load

    pipe = load(resolve(xl))
    assert type(pipe).__name__ == "StableDiffusionXLPipeline"
    monkeypatch.setattr("engine.diffusion.drawing.pictures_at_once", lambda *_: 2)
    for mode in ("txt2img", "img2img", "inpaint"):
        recipe = RECIPE.model_copy(update={"mode": mode, "scheduler": "euler", "guidance_scale": 5.0})
        mask = Image.new("L", (64, 64), 255)
        together = draw(pipe, DrawRequest(recipe, 2, source, mask))
        (alone,) = draw(pipe, DrawRequest(together[1].recipe, 1, source, mask))
        assert np.abs(pixels(alone.image) - pixels(together[1].image)).max() <= 1
        assert alone.image.size == (64, 64)
