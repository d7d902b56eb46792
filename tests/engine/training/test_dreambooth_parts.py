"""What DreamBooth is made of, each alone: folders of pictures, buckets, masks, batches, losses, encoded prompts, refusals."""

import json
import shutil
from typing import Any

import pytest
import torch
from PIL import Image

from engine.adapters.store import Card, publish
from engine.errors import BadInput
from engine.settings import settings
from engine.training import dreambooth_memory
from engine.training.dreambooth import losses
from engine.training.dreambooth_pictures import bucket_of, buckets, problems, prompt_of, read_folder, trigger_of
from engine.training.dreambooth_sample import sample_subject
from engine.training.dreambooth_spec import (
    PRESETS,
    DreamboothSpec,
    check_dreambooth,
    completed,
    parse_dreambooth,
    suggested_preset,
)
from engine.training.presets import list_presets, load_preset, save_preset
from engine.training.trainer.picture_data import Batch, PictureData, nth
from engine.training.trainer.picture_model import Words, encode, text_encoders, tokenize
from tests.picture_models import tiny_pipeline, tiny_xl_pipeline


@pytest.fixture
def robot(tmp_path):
    """The sample's five pictures in a folder."""
    sample_subject(tmp_path / "robot")
    return tmp_path / "robot"


def spec_of(folder, **more) -> DreamboothSpec:
    """A spec with all its values."""
    values = {"images": str(folder), "instance_prompt": "zorp", "adapter": "zorp", "resolution": 64}
    return DreamboothSpec.model_validate({**values, "trigger_words": "zorp", "max_steps": 10, **more})


# --- the folder


def test_the_sample_is_five_pictures_and_five_others(tmp_path):
    files = [*sample_subject(tmp_path / "a"), *sample_subject(tmp_path / "b", "held_out")]
    assert len(files) == 10 and len({file.read_bytes() for file in files}) == 10
    assert not problems(read_folder(tmp_path / "a"))
    again = sample_subject(tmp_path / "c")
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files[:5]]


def test_captions_and_masks_lie_beside_the_pictures(robot):
    (robot / "robot-1.txt").write_text("on a\n table ")
    (robot / "captions.json").write_text(json.dumps({"robot-2.png": "zorp in a garden", "gone.png": "x"}))
    (robot / ".hidden").write_text("no picture")
    Image.new("L", (256, 256), 255).save(robot / "robot-3.mask.png")
    found = read_folder(robot)
    assert [picture.file.name for picture in found] == [f"robot-{n}.png" for n in range(1, 6)]
    assert [picture.caption for picture in found] == ["on a table", "zorp in a garden", "", "", ""]
    assert [picture.mask is not None for picture in found] == [False, False, True, False, False]
    prompts = [prompt_of(picture.caption, "a picture of zorp", "zorp") for picture in found[:3]]
    assert prompts == ["a picture of zorp, on a table", "zorp in a garden", "a picture of zorp"]


def test_trigger_words_are_the_end_of_the_prompt():
    assert trigger_of("a picture of a zorp robot, noto") == "zorp robot, noto"
    assert trigger_of("A photo of the sks dog") == "sks dog"
    assert trigger_of("zorp") == "zorp" and trigger_of("a") == "a"


@pytest.mark.parametrize(("count", "told"), [(2, "there are 2"), (51, "there are 51")])
def test_too_few_and_too_many_pictures(tmp_path, count, told):
    for number in range(count):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    assert [told in str(problem) for problem in problems(read_folder(tmp_path))] == [True]


def test_each_bad_picture_is_named(robot):
    (robot / "liar.png").write_bytes(b"<html>")
    (robot / "cut.png").write_bytes((robot / "robot-1.png").read_bytes()[:500])
    Image.new("L", (100, 300)).save(robot / "robot-2.mask.png")
    told = [str(problem) for problem in problems(read_folder(robot))]
    assert len(told) == 3
    assert all(any(name in words for words in told) for name in ("liar.png", "cut.png", "robot-2.mask.png"))


def test_captions_that_cannot_be_read(robot):
    (robot / "captions.json").write_text('["a"]')
    with pytest.raises(BadInput, match=r"captions\.json"):
        read_folder(robot)
    (robot / "captions.json").unlink()
    (robot / "robot-1.txt").write_bytes("桌子".encode("gb18030"))
    with pytest.raises(BadInput, match=r"robot-1\.txt is no UTF-8"):
        read_folder(robot)
    with pytest.raises(BadInput, match="no folder of pictures"):
        read_folder(robot / "nowhere")


def test_buckets_have_about_the_area_of_the_square():
    sizes = buckets(512, 64)
    assert (512, 512) in sizes and (384, 640) in sizes and (640, 384) in sizes
    for width, height in sizes:
        assert width % 64 == height % 64 == 0
        assert 0.7 * 512**2 < width * height <= 512**2 and max(width, height) <= 2 * min(width, height)
    assert bucket_of((3000, 2000), sizes) == (576, 448) or bucket_of((3000, 2000), sizes) == (640, 384)
    assert bucket_of((500, 500), sizes) == (512, 512)
    assert bucket_of((100, 1000), sizes)[0] < 400
    assert buckets(64, 16) == [(48, 80), (64, 64), (80, 48)]


# --- refusals before the start


def test_what_cannot_work_is_refused_in_a_sentence(robot, pictures):
    def refused(match: str, **more):
        with pytest.raises(BadInput, match=match):
            values = {"images": str(robot), "instance_prompt": "zorp", "adapter": "zorp", "model": pictures}
            check_dreambooth(completed(parse_dreambooth({**values, **more})))

    check_dreambooth(
        completed(
            parse_dreambooth({"images": str(robot), "instance_prompt": "zorp", "adapter": "zorp", "model": pictures})
        )
    )
    refused("no picture model", model="nothing-there")
    refused("needs a class prompt", prior_preservation=True)
    refused("tokens, and the model reads", instance_prompt="zorp " * 30)
    refused("tokens, and the model reads", class_prompt="robot " * 30)
    refused("multiple of 16", resolution=72)
    refused("NVIDIA GPU", optimizer="adamw8bit")
    refused("without ZeRO", launcher="torchrun", nproc=2, zero=2)
    refused("on this machine", executor="ray")
    refused("not both", bf16=True, fp16=True)
    refused("no setting dataset", dataset="x")
    refused("instance_prompt", instance_prompt="")
    make_adapter(robot.parent / "taken", "taken")
    refused("an adapter “taken” already", adapter="taken")
    (robot / "robot-4.png").write_bytes(b"GIF89a")
    refused("robot-4.png")


def make_adapter(folder, name):
    """Something in the store under this name."""
    from engine.adapters.importing import write_image
    from engine.adapters.lora import Layer

    folder.mkdir()
    write_image(folder, {"unet": {"conv_in": Layer(torch.ones(1, 4, 3, 3), torch.ones(16, 1, 1, 1), 1.0)}}, "x")
    publish(name, folder, Card(kind="image"))


def test_what_the_model_decides_is_written_into_the_spec(robot, pictures):
    spec = completed(parse_dreambooth({"images": str(robot), "instance_prompt": "a picture of zorp", "adapter": "a", "model": pictures,
                                       "class_prompt": "cat", "repeats": 10, "batch_size": 3}))  # fmt: skip
    assert (spec.resolution, spec.learning_rate, spec.text_learning_rate) == (64, 2e-3, 1e-3)
    assert (spec.target_modules, spec.train_text_encoder) == ("attention-and-convolutions", True)
    assert (spec.max_steps, spec.trigger_words, spec.prior_preservation) == (17, "zorp", True)
    assert spec.sample_prompts == ["a picture of zorp", "cat"]
    assert completed(spec) == spec


def test_presets(robot, studio_home, tmp_path):
    for values in PRESETS.values():
        parse_dreambooth({"images": "x", "instance_prompt": "zorp", "adapter": "a", **values})
    gib = 2**30
    assert [suggested_preset(size) for size in (None, 8 * gib, 12 * gib, 24 * gib, 80 * gib)] == [
        "cpu", "8gb", "12gb", "24gb", "24gb",
    ]  # fmt: skip
    path = save_preset("mine", spec_of(robot, rank=3, class_prompt="robot"))
    values = load_preset(path, DreamboothSpec)
    assert values["rank"] == 3 and not {"images", "instance_prompt", "class_prompt", "adapter"} & set(values)
    assert list_presets(DreamboothSpec) == {"mine": path} and not list_presets()
    with pytest.raises(BadInput, match="no training setting"):
        load_preset(path)  # of a text training


def test_the_verdict_counts_memory_and_says_what_would_fit(robot, pictures, monkeypatch):
    spec = completed(
        parse_dreambooth(
            {"images": str(robot), "instance_prompt": "zorp", "adapter": "a", "model": pictures, "batch_size": 8}
        )
    )
    verdict = dreambooth_memory.preflight(spec)
    assert verdict.fits and verdict.steps == spec.max_steps
    from engine.diffusion.catalog import resolve
    from engine.training.trainer.picture_model import PictureModel

    pipe = tiny_pipeline()
    weights = sum(each.numel() for part in (pipe.unet, pipe.vae, pipe.text_encoder) for each in part.parameters())
    assert verdict.memory.model == pytest.approx(4 * weights, rel=0.01)
    for more in ({}, {"train_text_encoder": False, "target_modules": "attention"}):
        other = spec.model_copy(update=more)
        trained = sum(each.numel() for each in PictureModel(tiny_pipeline(), other).parameters() if each.requires_grad)
        assert dreambooth_memory.needed(other, resolve(pictures)).adapter == 8 * trained
    monkeypatch.setattr(dreambooth_memory, "free_memory", lambda spec: (verdict.memory.total - 2**20, 1))
    (problem,) = dreambooth_memory.preflight(spec).problems
    assert "--gradient-checkpointing" in str(problem)


# --- what is trained on


@pytest.fixture(scope="module")
def pipe():
    """The tiny pipeline, left as it is."""
    return tiny_pipeline()


@pytest.fixture
def shapes(tmp_path):
    """Two wide pictures, one high and three square ones."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    for number, size in enumerate([(160, 96), (150, 90), (96, 160), (64, 64), (100, 100), (90, 91)]):
        Image.effect_noise(size, 60 + number).convert("RGB").save(folder / f"{number}.png")
    return folder


def batches(pipe, spec, folder, steps, rank=0, classes=()):
    """The passes of some steps."""
    data = PictureData(pipe, spec, read_folder(folder), classes, 16)
    return [batch for step in range(steps) for batch in data.passes(step, rank)]


def test_a_batch_has_one_shape_and_each_picture_is_seen_as_often(pipe, shapes):
    spec = spec_of(shapes, batch_size=2)
    seen = batches(pipe, spec, shapes, steps=12)
    sizes = [tuple(batch.clean.shape[2:]) for batch in seen]
    assert {size: sizes.count(size) for size in set(sizes)} == {(6, 10): 4, (10, 6): 2, (8, 8): 6}
    # twelve steps of two are four rounds: six pictures four times each, told apart by their latents without noise
    assert all(batch.noise.shape == batch.clean.shape == (2, 8, *batch.clean.shape[2:]) for batch in seen)
    square = spec_of(shapes, batch_size=2, buckets=False)
    assert {tuple(batch.clean.shape[2:]) for batch in batches(pipe, square, shapes, 3)} == {(8, 8)}


def test_rounds_have_everything_once():
    row = [nth(place, 5, "x") for place in range(20)]
    assert all(sorted(row[start : start + 5]) == [0, 1, 2, 3, 4] for start in range(0, 20, 5))
    assert row[:5] != row[5:10] or row[5:10] != row[10:15]
    assert row != [nth(place, 5, "y") for place in range(20)]


def test_processes_share_the_batch_that_one_would_see(pipe, shapes):
    folder, classes = shapes, sorted(shapes.glob("*.png"))
    whole = spec_of(folder, batch_size=4, class_prompt="cat", noise_offset=0.1)
    shared = whole.model_copy(update={"batch_size": 1, "grad_accum": 2, "nproc": 2, "launcher": "torchrun"})
    (alone,) = batches(pipe, whole, folder, 1, classes=classes)
    parts = [batches(pipe, shared, folder, 1, rank, classes) for rank in (0, 1)]
    in_order = [parts[rank][number] for number in (0, 1) for rank in (0, 1)]
    for name in ("clean", "noise", "time", "weight", "sizes"):
        ours = torch.cat(
            [getattr(batch, name)[:1] for batch in in_order] + [getattr(batch, name)[1:] for batch in in_order]
        )
        assert torch.equal(ours, getattr(alone, name)), name
    assert alone.subjects == 4 and len(alone.clean) == 8 and in_order[0].subjects == 1


def test_prompts_follow_their_pictures(pipe, robot):
    (robot / "captions.json").write_text(json.dumps({f"robot-{n}.png": f"zorp {'abcde'[n - 1]}" for n in range(1, 6)}))
    spec = spec_of(robot, batch_size=5)
    (batch,) = batches(pipe, spec, robot, 1)
    assert batch.words.encoded is not None and len(batch.words.encoded.unique(dim=0)) == 5
    plain = spec_of(robot, batch_size=5, train_text_encoder=True)
    (tokens,) = batches(pipe, plain, robot, 1)
    assert tokens.words.encoded is None and tokens.words.tokens and tokens.words.tokens[0].shape == (5, 16)


def test_mirrored_pictures_only_where_asked_for(pipe, robot):
    def seen(flip: bool) -> set[tuple[float, ...]]:
        spec = spec_of(robot, batch_size=5, flip=flip)
        data = PictureData(pipe, spec, read_folder(robot), [], 16)
        mean = data._subjects[0].mean
        return {tuple(row.flatten()[:4].tolist()) for row in mean}

    assert len(seen(False)) == 5 and len(seen(True)) == 10


def test_masks_say_what_counts(pipe, robot):
    mask = Image.new("L", (256, 256), 0)
    mask.paste(255, (0, 0, 128, 256))
    for number in range(1, 6):
        mask.save(robot / f"robot-{number}.mask.png")
    (batch,) = batches(pipe, spec_of(robot, batch_size=2, mask_rest=0.0), robot, 1)
    assert batch.weight.mean((1, 2, 3)).tolist() == pytest.approx([1, 1])
    assert (batch.weight[..., :4] > 1).all() and (batch.weight[..., 4:] == 0).all()
    (some,) = batches(pipe, spec_of(robot, batch_size=2, mask_rest=0.25), robot, 1)
    assert (some.weight[..., :4] / some.weight[..., 4:]).unique().tolist() == pytest.approx([4])
    # what lies outside does not change the loss
    noising = _noising("epsilon")
    guess = torch.zeros_like(batch.noise)
    before, _ = losses(guess, batch, noising, 0)
    guess[..., 4:] = 7
    assert losses(guess, batch, noising, 0)[0] == before
    guess[..., :4] = 7
    assert losses(guess, batch, noising, 0)[0] != before


# --- losses and prompts against diffusers


def _noising(prediction: str) -> Any:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return DDPMScheduler.from_config(tiny_pipeline(prediction=prediction).scheduler.config)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_losses_are_those_of_the_papers(prediction):
    from diffusers.training_utils import compute_snr

    noising, generator = _noising(prediction), torch.Generator().manual_seed(0)
    clean, noise, guess = (torch.randn(4, 8, 8, 8, generator=generator) for _ in range(3))
    time = torch.tensor([0, 300, 700, 999])
    batch = Batch(clean, noise, time, Words(), torch.zeros(4, 6), torch.ones(4, 1, 8, 8), subjects=2)
    signal = noising.alphas_cumprod[time].view(-1, 1, 1, 1)
    wanted = noise if prediction == "epsilon" else signal.sqrt() * noise - (1 - signal).sqrt() * clean
    error = (guess - wanted).square().mean((1, 2, 3))
    subject, others = losses(guess, batch, noising, 0)
    assert others is not None
    assert torch.allclose(subject, error[:2].mean(), atol=1e-6) and torch.allclose(others, error[2:].mean(), atol=1e-6)
    snr = compute_snr(noising, time)
    weight = snr.clamp(max=5) / (snr if prediction == "epsilon" else snr + 1)
    subject, others = losses(guess, batch, noising, 5)
    assert others is not None
    assert torch.allclose(subject, (weight * error)[:2].mean()) and torch.allclose(others, (weight * error)[2:].mean())


def test_prompts_are_encoded_as_the_pipelines_do(pipe):
    xl, prompts = tiny_xl_pipeline(), ["a red apple", "cat"]
    with torch.no_grad():
        ours = encode(list(text_encoders(pipe).values()), tokenize(pipe, prompts))
        theirs, _ = pipe.encode_prompt(prompts, "cpu", 1, False)
        assert ours.encoded is not None and torch.equal(ours.encoded, theirs)
        ours = encode(list(text_encoders(xl).values()), tokenize(xl, prompts))
        theirs, _, pooled, _ = xl.encode_prompt(prompts, device="cpu", do_classifier_free_guidance=False)
    assert ours.encoded is not None and ours.pooled is not None
    assert torch.equal(ours.encoded, theirs) and torch.equal(ours.pooled, pooled)


def test_sdxl_is_told_sizes(shapes):
    xl = tiny_xl_pipeline()
    data = PictureData(xl, spec_of(shapes, batch_size=2), read_folder(shapes), [], 16)
    wide = next(part for size, part in zip(data.sizes, data._subjects, strict=True) if size == (80, 48))
    assert wide.sizes.tolist() == [[96, 160, 0, 0, 48, 80], [90, 150, 0, 0, 48, 80]]


def test_nothing_of_the_folder_is_changed(robot, pictures, studio_home):
    """Freezing copies, and what was copied is a folder like the first."""
    from engine.runs import create_run
    from engine.training.dreambooth_pictures import freeze

    (robot / "robot-1.txt").write_text("on a table")
    Image.new("L", (256, 256)).save(robot / "robot-2.mask.png")
    before = {file.name: file.read_bytes() for file in robot.iterdir()}
    folder = freeze(robot, create_run("dreambooth", {}, "x"))
    assert {file.name: file.read_bytes() for file in robot.iterdir()} == before
    shutil.rmtree(robot)
    assert [(each.caption, each.mask is not None) for each in read_folder(folder)][:2] == [
        ("on a table", False),
        ("", True),
    ]
    assert not problems(read_folder(folder))
    assert folder.is_relative_to(settings().runs)
