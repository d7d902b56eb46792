"""`draw` and `grid` as a person types them, and `adapters fuse` for picture adapters."""

import json

import numpy as np
import pytest
from PIL import Image

from engine.adapters.store import edit_card
from engine.diffusion.grids import read_grid
from engine.diffusion.png import read_recipe
from engine.diffusion.recipe import Recipe
from engine.errors import BadInput
from engine.fields import parse
from tests.engine.knowledge.stubs import StubSpeaker
from tests.picture_models import make_lora


def pixels(file) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB")).astype(int)


@pytest.fixture
def command(pictures, monkeypatch, capfd):
    """The command line in this process, which spares the imports: `command("draw", …)` gives (code, document, errors)."""
    from engine.__main__ import main
    from engine.diffusion.host import host

    def run(*words: object):
        code = main([str(word) for word in words])
        out, errors = capfd.readouterr()
        return code, json.loads(out) if "--json" in words and out.strip() else out, errors

    yield run
    host().unload()
    host.cache_clear()


def test_a_process_of_its_own_draws_with_json_on_standard_output(studio, pictures, tmp_path):
    file = tmp_path / "apple.png"
    code, document, errors = studio("draw", "a red apple", "--out", file, "--seed", 3, "--steps", 2, "--json")
    assert code == 0, errors
    assert document["file"] == str(file) and document["seed"] == 3
    assert document["recipe"] == read_recipe(file).model_dump(mode="json")
    assert document["recipe"]["model"] == "tiny-pictures" and len(document["recipe"]["model_fingerprint"]) == 16
    assert Image.open(file).size == (64, 64)


def test_every_flag_reaches_the_recipe_and_again_draws_the_same(command, tmp_path, tiny_picture_folder):
    make_lora("red", tiny_picture_folder)
    file, again, other = tmp_path / "a.png", tmp_path / "again.png", tmp_path / "other.png"
    flags = [
        "--negative",
        "whale",
        "--seed",
        9,
        "--steps",
        3,
        "--guidance-scale",
        5.5,
        "--scheduler",
        "euler",
        "--size",
        "72x64",
    ]
    code, *_ = command("draw", "a cat face", "--out", file, *flags, "--lora", "red:-0.5,up.1=0.3", "--count", 2)
    assert code == 0
    recipe = read_recipe(file)
    assert (recipe.negative_prompt, recipe.seed, recipe.steps, recipe.guidance_scale) == ("whale", 9, 3, 5.5)
    assert (recipe.scheduler, recipe.width, recipe.height) == ("euler", 72, 64)
    assert (recipe.loras[0].weight, recipe.loras[0].blocks) == (-0.5, {"up.1": 0.3})
    assert read_recipe(tmp_path / "a-2.png").seed == 10

    assert command("draw", "--again", file, "--out", again)[0] == 0
    assert (pixels(file) == pixels(again)).all() and read_recipe(again) == recipe
    assert command("draw", "a blue whale", "--again", file, "--out", other)[0] == 0
    assert read_recipe(other) == recipe.model_copy(update={"prompt": "a blue whale"})
    assert (pixels(file) != pixels(other)).any()


def test_the_chat_model_writes_the_prompt_of_an_idea(command, tmp_path, tiny_picture_folder, monkeypatch):
    make_lora("hats", tiny_picture_folder)
    edit_card("hats", trigger_words="zwx hat")
    speaker = StubSpeaker.saying("a cat wearing a crown, soft light")
    monkeypatch.setattr("engine.chat.turns.Speaker", lambda **who: speaker)
    file = tmp_path / "cat.png"
    words = ["draw", "--idea", "戴皇冠的猫", "--out", file, "--steps", 1, "--lora", "hats:0.5", "--map-words", "always"]
    code, printed, errors = command(*words)
    assert code == 0, errors
    assert speaker.asked[0][-1]["content"] == "Idea: cat wearing crown"
    assert "皇冠 → crown" in printed and "Added: zwx hat" in printed and "by stub" in printed
    recipe = read_recipe(file)
    assert f"{file}: seed {recipe.seed}" in printed
    assert recipe.idea == "戴皇冠的猫" and recipe.prompt == "zwx hat, a cat"  # more does not fit
    other = tmp_path / "dog.png"
    assert command("draw", "a dog", "--again", file, "--out", other)[0] == 0 and read_recipe(other).idea is None
    file.unlink()
    code, document, errors = command(*words, "--seed", 5, "--json")
    assert code == 0, errors
    written = document["written"]
    assert (written["prompt"], written["seed"], document["seed"]) == (recipe.prompt, 5, 5)
    assert ["猫", "cat"] in written["mapping"] and written["added_triggers"] == ["zwx hat"]


def test_from_a_picture_and_into_a_mask(command, tmp_path):
    picture, mask = Image.new("RGB", (64, 64), "teal"), Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    picture.save(tmp_path / "in.png")
    mask.save(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    words = ["--image", tmp_path / "in.png", "--strength", 0.9, "--steps", 4]
    assert command("draw", "a red apple", "--out", out, *words, "--mask", tmp_path / "mask.png")[0] == 0
    assert (pixels(out)[:, 32:] == pixels(tmp_path / "in.png")[:, 32:]).all()
    assert (pixels(out)[:, :32] != pixels(tmp_path / "in.png")[:, :32]).any()
    recipe = read_recipe(out)
    assert recipe.mode == "inpaint" and len(recipe.source or "") == len(recipe.mask or "") == 64
    assert command("draw", "a red apple", "--out", tmp_path / "img.png", *words)[0] == 0
    assert read_recipe(tmp_path / "img.png").mode == "img2img"
    again = ["draw", "--again", out, "--out", tmp_path / "again.png", "--image", tmp_path / "in.png"]
    code, _, errors = command(*again)
    assert code == 2 and "give --mask too" in errors
    assert command(*again, "--mask", tmp_path / "mask.png")[0] == 0
    assert (pixels(tmp_path / "again.png") == pixels(out)).all()
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    for image, mask in (("white", "mask"), ("in", "white")):
        files = ["--image", tmp_path / f"{image}.png", "--mask", tmp_path / f"{mask}.png"]
        code, _, errors = command("draw", "--again", out, "--out", tmp_path / "other.png", *files)
        assert code == 2 and "“white.png” is not the picture that the recipe names" in errors


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "x.jpg"], "x.png"),
        (["--out", "x.png", "--size", "large"], "no size"),
        (["--out", "x.png", "--size", "100x64"], "multiples of 8 from 8 to 4096"),
        (["--out", "x.png", "--size", "0x64"], "multiples of 8 from 8 to 4096"),
        (["--out", "x.png", "--steps", "0"], "steps must be at least 1"),
        (["--out", "x.png", "--lora", "red:much"], "no adapter with a weight"),
        (["--out", "x.png", "--lora", "nobody:1"], "no adapter “nobody”"),
        (["--out", "x.png", "--model", "no such"], "no picture model “no such”"),
        (["--out", "x.png", "--mask", "m.png"], "give --image too"),
        (["--out", "x.png", "--count", "1000"], "cannot be drawn at once"),
        (["--out", "no/folder/x.png"], "no folder"),
        (["--out", "x.png", "--idea", "a cat"], "not both"),
        (["--out", "x.png", "--strength", "0.5"], "give --image too"),
    ],
)
def test_what_cannot_be_is_one_sentence(command, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    code, _, errors = command("draw", "a red apple", *words)
    assert code == 2 and sentence in errors and len(errors.strip().splitlines()) == 1


def test_a_side_that_is_no_multiple_of_8_says_so():
    with pytest.raises(BadInput, match="width must be a multiple of 8"):
        parse(Recipe, {"width": 100})


def test_an_empty_prompt_is_refused(command, tmp_path):
    code, _, errors = command("draw", " ", "--out", tmp_path / "x.png")
    assert code == 2 and "The prompt is empty" in errors


def test_without_a_seed_every_picture_has_its_own(command, tmp_path):
    for name in ("a", "b"):
        assert command("draw", "a cat", "--out", tmp_path / f"{name}.png", "--steps", 1)[0] == 0
    assert read_recipe(tmp_path / "a.png").seed != read_recipe(tmp_path / "b.png").seed


def test_a_grid_of_combinations(command, tmp_path, tiny_picture_folder):
    make_lora("red", tiny_picture_folder, seed=1)
    make_lora("blue", tiny_picture_folder, seed=2)
    out = tmp_path / "grid.png"
    axes = ["--x", "combination", "--y", "seed=1|2"]
    code, *_ = command(
        "grid", "a red apple", "--out", out, "--steps", 1, "--lora", "red:0.5", "--lora", "blue:0.5", *axes
    )
    assert code == 0
    made = read_grid(out)
    assert len(made.x.values) == 11 and made.y and made.y.values == [1, 2] and not made.left_out
    assert Image.open(out).width > 11 * 128


def test_fuse_writes_a_model_that_draws_without_the_adapter(command, tmp_path, tiny_picture_folder):
    make_lora("red", tiny_picture_folder)
    live, fused = tmp_path / "live.png", tmp_path / "fused.png"
    assert command("draw", "a red apple", "--out", live, "--steps", 2, "--seed", 0, "--lora", "red:0.5")[0] == 0
    assert command("adapters", "fuse", "red:0.5", "--out", tmp_path / "model")[0] == 0
    assert (
        command("draw", "a red apple", "--out", fused, "--steps", 2, "--seed", 0, "--model", tmp_path / "model")[0] == 0
    )
    assert np.abs(pixels(live) - pixels(fused)).max() <= 1


def test_doctor_tells_of_the_starter(studio_home):
    from argparse import Namespace

    from engine.commands.doctor import doctor

    assert doctor(Namespace())["starters"]["image"] is True
