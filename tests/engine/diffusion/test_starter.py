"""The starter's recipe with tiny models and drawn pictures: its stages, killing and going on, and the folder it writes."""

import json

import pytest
import torch

from engine.settings import settings
from engine.training.picture_tokenizer import END, learn_tokenizer
from engine.training.starter_diffusion import (
    Plan,
    as_tensor,
    distribution,
    encode,
    make_vae,
    redraw,
    standardise,
    train_starter,
)
from engine.training.starter_score import Score, disturb, named, score, train_classifier
from engine.training.trainer.steps import Clock, saved_step
from tests.engine.diffusion.drawn import drawn_emoji

TINY = Plan(
    steps={"vae": 6, "text": 4, "unet": 6},
    batch={"vae": 4, "text": 4, "unet": 4},
    vae=(8, 8, 8, 8),
    latent=4,
    text=16,
    text_layers=1,
    vocabulary=600,
    unet=(16, 16),
    groups=4,
)


class Steps(Clock):
    """Time that is up after so many steps, whatever the stage."""

    def __init__(self, count: int, snapshot_minutes: float = 0):
        super().__init__(snapshot_minutes=snapshot_minutes)
        self.left = count + 1

    def is_over(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("starter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_DTYPE", "float32")  # as each test has it
        settings.cache_clear()
        assert train_starter(drawn_emoji(), out, TINY, Clock())
    settings.cache_clear()
    return out


def test_killed_at_any_step_it_ends_with_the_same_weights(trained, tmp_path):
    for _ in range(30):  # each call is a new process's: three steps, then it ends
        if train_starter(drawn_emoji(), tmp_path, TINY, Steps(3)):
            break
    from safetensors.torch import load_file

    for name in ("vae", "text", "unet"):
        ours, whole = (load_file(folder / f"{name}.safetensors") for folder in (tmp_path, trained))
        assert ours.keys() == whole.keys()
        assert all(torch.equal(ours[key], whole[key]) for key in whole), name
        assert saved_step(tmp_path / f"{name}.safetensors") == TINY.steps[name]


def test_the_folder_is_an_ordinary_pipeline_and_a_seed_fixes_the_picture(trained):
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(trained / "pipeline", torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def draw(seed: int) -> bytes:
        generator = torch.Generator().manual_seed(seed)
        (made,), _ = pipeline("red apple, noto", num_inference_steps=3, generator=generator, return_dict=False)
        assert made.size == (64, 64)
        return made.tobytes()

    assert draw(1) == draw(1) != draw(2)
    index = json.loads((trained / "pipeline" / "model_index.json").read_text())
    assert [index[part][1] for part in ("unet", "vae", "text_encoder", "tokenizer")] == [
        "UNet2DConditionModel", "AutoencoderKL", "CLIPTextModel", "CLIPTokenizer",
    ]  # fmt: skip


def test_a_tokenizer_is_the_same_each_time_and_knows_every_byte(tmp_path):
    from transformers import CLIPTokenizer

    captions = ["cat face, noto", "猫脸, 立体", "red apple, fluent 3d", "a picture of a whale, noto"] * 3
    made = [learn_tokenizer(captions, 600, 32) for _ in range(3)]
    assert made[0].get_vocab() == made[1].get_vocab() == made[2].get_vocab()
    made[0].save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    ids = loaded("斑马 Zebra ✿ é").input_ids
    assert loaded.decode(ids, skip_special_tokens=True).replace(" ", "") == "斑马zebra✿é"
    assert loaded.unk_token_id not in ids[1:-1]
    assert loaded("cat " * 50, truncation=True, padding="max_length").input_ids[-1] == loaded.convert_tokens_to_ids(END)
    assert len(loaded("cat " * 50, truncation=True).input_ids) == 32


def test_latents_are_standardised_and_pictures_stay():
    emoji, vae = drawn_emoji(), make_vae(TINY)
    pictures = as_tensor(emoji, torch.arange(len(emoji)))
    with torch.no_grad():
        before, deviation = redraw(vae, distribution(vae, pictures).mean), distribution(vae, pictures).std
        scale = encode(vae, emoji).std((0, 2, 3))
        standardise(vae, emoji)
        after = redraw(vae, distribution(vae, pictures).mean)
        assert torch.allclose(before, after, atol=1e-4)
        assert torch.allclose(distribution(vae, pictures).std, deviation / scale[:, None, None], rtol=1e-3)
    latents = encode(vae, emoji)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(latents.std((0, 2, 3)), torch.ones(4), atol=1e-3)


def test_convolutions_under_autocast_have_the_gradients_of_float32():
    from engine.training.trainer.fast_convolution import speed_up

    torch.manual_seed(0)
    layer = torch.nn.Conv2d(16, 24, 3, stride=2, padding=1)
    pictures = torch.randn(4, 16, 8, 8, requires_grad=True)

    def gradients() -> tuple[torch.Tensor, ...]:
        loss = layer(pictures).float().square().mean()
        return torch.autograd.grad(loss, [*layer.parameters(), pictures])

    exact = gradients()
    speed_up(layer)
    assert all(torch.equal(a, b) for a, b in zip(gradients(), exact, strict=True))  # no autocast: nothing changes
    with torch.autocast("cpu", torch.bfloat16):
        close = gradients()
    assert all((a - b).norm() < 0.02 * b.norm() for a, b in zip(close, exact, strict=True))


def test_the_log_has_a_line_for_the_steps(tmp_path):
    plan = Plan(**{**TINY.__dict__, "steps": {"vae": 20, "text": 4, "unet": 2}})
    assert not train_starter(drawn_emoji(), tmp_path, plan, Steps(20, snapshot_minutes=9))
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [("vae", 20)]
    assert {"loss", "l1", "seconds"} <= lines[0].keys()


def test_the_classifier_tells_the_drawn_nouns_apart(trained, tmp_path, monkeypatch):
    emoji = drawn_emoji()
    classifier = train_classifier(emoji, tmp_path, Clock(), steps=80, batch=12, width=8)
    shown = disturb(as_tensor(emoji, torch.arange(6)), torch.Generator().manual_seed(9))
    assert not torch.equal(shown, disturb(as_tensor(emoji, torch.arange(6)), torch.Generator().manual_seed(8)))
    assert named(classifier, as_tensor(emoji, torch.arange(6))) == emoji.noun

    from PIL import Image

    monkeypatch.setattr("engine.training.starter_score.COMMON", ("red apple", "whale"))
    real = {"noto": [Image.fromarray(emoji.pixels[1]), Image.fromarray(emoji.pixels[4])]}
    assert score(classifier, emoji, real) == Score({"noto": ["red apple", "whale"]})
    swapped = {"noto": real["noto"][::-1]}
    assert score(classifier, emoji, swapped) == Score({"noto": []})


def test_enough_is_forty_in_each_style():
    from engine.diffusion.nouns import COMMON

    assert Score({"a": list(COMMON[:40]), "b": list(COMMON)}).is_enough
    assert not Score({"a": list(COMMON[:39]), "b": list(COMMON)}).is_enough
    assert Score({"a": list(COMMON[:2]), "b": list(COMMON[1:])}).in_all_styles == [COMMON[1]]
