"""A picture carries its recipe, and what others write into pictures is read as far as it goes, or refused in a sentence."""

import io
import json
import struct
import time
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as some
from PIL import Image

from engine.diffusion import infotext
from engine.diffusion.png import png_bytes, read_recipe, write_png
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput

PICTURE = Image.new("RGB", (8, 8), "red")
FULL = Recipe(
    mode="inpaint",
    prompt="一只红色的鲸鱼, fluent\nsecond line",
    negative_prompt="模糊, blurry",
    model="starter",
    model_fingerprint="0123456789abcdef",
    width=128,
    height=64,
    steps=7,
    guidance_scale=3.5,
    scheduler="dpmpp_2m_karras",
    seed=2**63 - 1,
    loras=[
        LoraWeight(name="zorp", weight=0.7, fingerprint="f00d"),
        LoraWeight(name="油画", weight=-0.25, blocks={"text_encoder": 0.5, "up.1": 0}),
    ],
    strength=0.6,
    source="a" * 64,
    mask="b" * 64,
    idea="鲸鱼",
)
A1111 = """masterpiece, (whale:1.2), <lora:zorp:0.8>
on the sea <lora:two words:-1.5>
Negative prompt: blurry,
ugly
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 4294967295, Size: 512x768, Model hash: 6ce0161689, \
Model: v1-5-pruned-emaonly, VAE: "a, b", Clip skip: 2, Lora hashes: "zorp: 1234, two words: 5678", Version: v1.10.1"""

# everything but halves of surrogate pairs, which pydantic refuses, and control characters, which are not read
words = some.text(some.characters(exclude_categories=("Cs", "Cc")) | some.sampled_from('\n\t,:<>"'), max_size=60)
numbers = some.floats(-10, 10)
loras = some.builds(
    LoraWeight,
    name=words,
    weight=numbers,
    blocks=some.dictionaries(some.sampled_from(["text_encoder", "down", "up.1"]), numbers),
    fingerprint=some.none() | words,
)
digests = some.none() | some.text("0123456789abcdef", min_size=64, max_size=64)
recipes = some.builds(
    Recipe,
    mode=some.sampled_from(["txt2img", "img2img", "inpaint"]),
    prompt=words,
    negative_prompt=words,
    model=words,
    model_fingerprint=some.none() | words,
    width=some.integers(1, 512).map(lambda n: 8 * n),
    height=some.integers(1, 512).map(lambda n: 8 * n),
    steps=some.integers(1, 500),
    guidance_scale=some.floats(0, 50),
    scheduler=some.sampled_from(list(infotext.SAMPLERS)),
    seed=some.integers(0, 2**63 - 1),
    loras=some.lists(loras, max_size=4),
    strength=some.none() | some.floats(0, 1, exclude_min=True),
    source=digests,
    mask=digests,
    idea=some.none() | words,
)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file with these chunks of notes."""
    content = png_bytes(PICTURE)
    made = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return content[:33] + made + content[33:]


def packed(text: bytes) -> bytes:
    """The body of a packed iTXt chunk of our own."""
    return b"studio\0\1\0\0\0" + zlib.compress(text, 9)


def test_the_whole_recipe_is_read_back(tmp_path):
    write_png(PICTURE, FULL, tmp_path / "a.png")
    assert read_recipe(tmp_path / "a.png") == FULL
    assert read_recipe((tmp_path / "a.png").read_bytes()) == FULL
    with Image.open(tmp_path / "a.png") as picture:  # as others read it
        picture.load()
        assert picture.tobytes() == PICTURE.tobytes()
        assert json.loads(picture.info["studio"])["prompt"] == FULL.prompt
        assert picture.info["parameters"] == (
            "一只红色的鲸鱼, fluent\nsecond line <lora:zorp:0.7> <lora:油画:0.5:-0.25>\n"
            "Negative prompt: 模糊, blurry\n"
            "Steps: 7, Sampler: DPM++ 2M Karras, CFG scale: 3.5, Seed: 9223372036854775807, Size: 128x64, "
            "Model hash: 0123456789, Model: starter, Denoising strength: 0.6"
        )


@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipes)
def test_any_recipe_is_read_back(recipe):
    assert read_recipe(png_bytes(PICTURE, recipe)) == recipe


@hypothesis_settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipes)
def test_the_text_for_others_is_read_back_as_far_as_it_goes(recipe):
    plain = recipe.model_copy(update={"prompt": "a whale", "negative_prompt": "blurry", "loras": []})
    found = infotext.read(infotext.write(plain))
    assert found
    same = ("prompt", "negative_prompt", "width", "height", "steps", "scheduler", "seed")
    assert [getattr(found, name) for name in same] == [getattr(plain, name) for name in same]
    assert found.guidance_scale == pytest.approx(plain.guidance_scale, rel=1e-4)


def test_what_the_web_ui_writes_is_read():
    recipe = infotext.read(A1111)
    assert recipe == Recipe(
        prompt="masterpiece, (whale:1.2),\non the sea",
        negative_prompt="blurry,\nugly",
        model="v1-5-pruned-emaonly",
        width=512,
        height=768,
        steps=28,
        guidance_scale=6.5,
        scheduler="dpmpp_2m_karras",
        seed=4294967295,
        loras=[LoraWeight(name="zorp", weight=0.8), LoraWeight(name="two words", weight=-1.5)],
    )


@pytest.mark.parametrize(("name", "ours"), [(name, ours) for ours, name in infotext.SAMPLERS.items()])
def test_every_sampler_has_its_name(name, ours):
    found = infotext.read(f"a\nSteps: 5, Sampler: {name}, Seed: 1")
    assert found and found.scheduler == ours


def test_unknown_and_wrong_settings_are_left_out():
    text = (
        "a\nSteps: many, Sampler: Restart, CFG scale: -3, Seed: -1, Size: 513x99999999, Model: m, Face restoration: x"
    )
    assert infotext.read(text) == Recipe(prompt="a", model="m")
    assert infotext.read("a <lora:x:99> <lora:y:1.2.3> b") == Recipe(prompt="a b")
    assert infotext.read("only words, none: of, these: are settings") == Recipe(
        prompt="only words, none: of, these: are settings"
    )


def test_a_picture_made_from_another_is_known_as_such():
    line = "a\nSteps: 5, Seed: 1, Size: 64x64, Denoising strength: 0.4"
    found, twice = infotext.read(line), infotext.read(line + ", Hires upscale: 2")
    assert found and (found.mode, found.strength) == ("img2img", 0.4)
    assert twice and (twice.mode, twice.strength) == ("txt2img", None)


@pytest.mark.parametrize("kind", ["JPEG", "WebP"])
def test_jpeg_and_webp_of_the_web_ui_are_read(kind):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.replace("whale", "鲸鱼").encode("utf-16-be")
    content = io.BytesIO()
    PICTURE.save(content, kind, exif=exif)
    recipe = read_recipe(content.getvalue())
    assert recipe.steps == 28 and "鲸鱼" in recipe.prompt


NONE = "does not say what it was made with"


@pytest.mark.parametrize(
    "notes",
    [
        [],
        [(b"zTXt", b"studio\0\0" + zlib.compress(b"a" * 50_000_000, 1))],
        [(b"iTXt", packed(b'{"prompt": "' + b"a" * 10_000_000 + b'"}'))],
        [(b"iTXt", packed(b"[" * 3_000_000))],
        [(b"tEXt", b"studio\0" + b'{"loras":' * 100_000)],
        [(b"tEXt", b'studio\0{"steps": "many"}')],
        [(b"tEXt", b'studio\0{"prompt": ["a"], "seed": 1e999}')],
        [(b"tEXt", b'studio\0{"seed": NaN}')],
        [(b"tEXt", b'studio\0{"source": "../../etc/passwd"}')],
        [(b"tEXt", b'studio\0{"model": "' + b"a" * 2000 + b'"}')],
        [(b"tEXt", b"studio\0null"), (b"iTXt", b"studio")],
        [(b"iTXt", b'studio\0\0\0\0\0{"prompt": "a"' + b" " * 5_000_000 + b"}")],
        [(b"tEXt", b"parameters\0")],
        [(b"tEXt", b"parameters\0" + b"a" * 10_000_000)],
        [(b"iTXt", b"parameters\0\1\0\0\0not packed at all")],
        [(b"zTXt", b"parameters\0")],
    ],
    ids=range(16),
)
def test_hostile_notes_are_refused_in_one_sentence(notes):
    began = time.monotonic()
    with pytest.raises(BadInput, match=NONE):
        read_recipe(png_with(*notes), "a.png")
    assert time.monotonic() - began < 5


def test_a_bomb_is_not_unpacked():
    content = png_with((b"iTXt", packed(b"a" * 100_000_000)))
    tracemalloc.start()
    with pytest.raises(BadInput, match=NONE):
        read_recipe(content)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000


def test_of_broken_notes_of_ours_the_text_for_others_is_left():
    content = png_with((b"tEXt", b"studio\0{"), (b"tEXt", b"parameters\0a\nSteps: 5, Seed: 1, Size: 64x64"))
    assert read_recipe(content) == Recipe(prompt="a", steps=5, seed=1)


def test_control_characters_are_not_read_and_html_is_only_text():
    hostile = "<script>alert(1)</script>\x00\x1b[2J\x9b"
    recipe = Recipe(prompt=hostile, loras=[LoraWeight(name="a\x00b")])
    found = read_recipe(png_bytes(PICTURE, recipe))
    assert found.prompt == "<script>alert(1)</script>[2J" and found.loras[0].name == "ab"
    content = png_with((b"iTXt", b"parameters\0\0\0\0\0" + hostile.encode()))
    assert read_recipe(content).prompt == "<script>alert(1)</script>[2J"


def test_lines_made_to_be_slow_are_not():
    for text in ("a" * 10**6, "a b " * 250_000 + ":", '"' * 10**6, 'a:"' + "\\\\" * 500_000, "<lora:" * 200_000):
        began = time.monotonic()
        infotext.read(text)
        infotext.read("a\n" + text)
        assert time.monotonic() - began < 2


def test_what_is_no_picture_has_no_recipe(tmp_path):
    for content, sentence in ((b"<html>", "but HTML"), (b"", "is empty"), (png_bytes(PICTURE)[:40], NONE)):
        with pytest.raises(BadInput, match=sentence):
            read_recipe(content, "a.png")
    with pytest.raises(BadInput, match="no file"):
        read_recipe(tmp_path / "none.png")
