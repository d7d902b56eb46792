"""DreamBooth through the command line on a tiny real pipeline: it learns, stops, resumes, and makes an adapter others load."""

import json
import shutil
from typing import Any

import pytest
import torch

from engine.adapters.export import export
from engine.adapters.lora import read_lora
from engine.adapters.store import read_adapter
from engine.diffusion.catalog import fingerprint, resolve
from engine.jobs import local
from engine.runs import open_run
from engine.runs.picture_samples import picture_steps, read_pictures
from engine.settings import settings
from engine.training.checkpoints import newest_complete, step_of
from engine.training.dreambooth_sample import sample_subject
from tests.engine.training.helpers import kill, losses, until

FAST = [
    "--max-steps", 12, "--save-steps", 4, "--sample-steps", 100, "--batch-size", 2, "--rank", 4, "--samples", 0,
    "--target-modules", "attention", "--no-train-text-encoder",
]  # fmt: skip


def train(studio, images, adapter, *more):
    """`train dreambooth` with small settings: exit code, document, errors."""
    words = ["train", "dreambooth", "--images", images, "--instance-prompt", "zorp", "--adapter", adapter]
    return studio(*words, *FAST, *more, "--json")


@pytest.fixture
def robot(tmp_path):
    """The sample's five pictures in a folder."""
    sample_subject(tmp_path / "robot")
    return tmp_path / "robot"


def draw(model: str, prompt: str, adapter: str | None = None):
    """A picture of the model's pipeline with diffusers alone, as floats."""
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    pipe: Any = DiffusionPipeline.from_pretrained(settings().models / model)
    pipe.set_progress_bar_config(disable=True)
    if adapter:
        file = settings().home / f"{adapter}.safetensors"
        if not file.exists():
            export(adapter, file, "kohya")
        pipe.load_lora_weights(str(file))
    generator = torch.Generator().manual_seed(1)
    drawn = pipe(prompt, num_inference_steps=4, height=64, width=64, generator=generator, output_type="pt")
    return drawn.images[0]


def test_it_learns_and_makes_an_adapter_that_others_load(studio, pictures, robot):
    code, document, errors = train(
        studio, robot, "zorp", "--class-prompt", "cat", "--class-pictures", 3, "--samples", 1, "--sample-steps", 6,
        "--max-steps", 60, "--save-steps", 60, "--learning-rate", 0.02, "--alpha", 8, "--default-weight", 0.8, "--wait",
    )  # fmt: skip
    assert code == 0, errors
    assert {"run", "status", "step", "max_steps", "adapter", "loss", "command"} <= set(document)
    assert (document["status"], document["step"], document["max_steps"]) == ("finished", 60, 60)
    run = open_run(document["run"])
    events = [event for event in run.events() if "loss" in event]
    assert [event["step"] for event in events] == list(range(1, 61))
    for event in events:
        assert event["loss"] == pytest.approx(event["instance_loss"] + event["prior_loss"], rel=1e-5)
        assert event["pictures_per_second"] > 0 and event["memory"] > 2**20 and event["grad_norm"] > 0
    assert events[0]["learning_rate"] == 0.02 and events[-1]["learning_rate"] < 0.001

    # samples before the first step, then at the same seeds, each after a checkpoint
    assert picture_steps(run) == [0, *range(6, 61, 6)]
    samples = {step: read_pictures(run, step) for step in (0, 60)}
    assert [sample.prompt for sample in samples[0]] == ["zorp", "cat"]
    assert samples[0][0].file.read_bytes() != samples[60][0].file.read_bytes()

    adapter = read_adapter("zorp", kind="image")
    card = adapter.card
    assert (adapter.rank, adapter.alpha, card.base_model, card.method, card.run) == (
        4,
        8,
        pictures,
        "dreambooth",
        run.id,
    )
    assert (card.trigger_words, card.family, card.default_weight) == ("zorp", "other", 0.8)
    assert card.base_fingerprint == fingerprint(resolve(pictures)) and card.metrics["loss"] == document["loss"]
    assert (adapter.path / "cover.png").read_bytes() == samples[60][0].file.read_bytes()

    # with diffusers' own loader, which knows nothing of us
    without, with_it = draw(pictures, "zorp"), draw(pictures, "zorp", "zorp")
    assert (without - with_it).abs().max() > 0.02
    lora = read_lora(adapter)
    assert set(lora) == {"unet"} and all(layer.alpha == 8 for layer in lora["unet"].values())


def test_the_loss_falls(studio, pictures, robot):
    """Batch and noise of a step are the same in each run, so losses can be compared step by step."""
    learnt = {}
    for name, rate in (("still", 1e-9), ("learning", 0.02)):
        _, document, errors = train(
            studio, robot, name, "--max-steps", 50, "--alpha", 8, "--learning-rate", rate, "--wait"
        )
        assert document["status"] == "finished", errors
        learnt[name] = list(losses(open_run(document["run"])).values())[-15:]
    assert all(new < old for new, old in zip(learnt["learning"], learnt["still"], strict=True))
    assert sum(learnt["learning"]) < 0.95 * sum(learnt["still"])


def test_the_samples_are_what_the_published_adapter_draws(studio, pictures, robot):
    _, document, errors = train(studio, robot, "zorp", "--samples", 1, "--learning-rate", 0.02, "--wait")
    assert document["status"] == "finished", errors
    from peft import PeftModel

    from engine.diffusion.drawing import DrawRequest
    from engine.diffusion.drawing import draw as draw_
    from engine.diffusion.pipelines import load
    from engine.training.dreambooth_spec import DreamboothSpec
    from engine.training.trainer.picture_samples import recipe

    source, run = resolve(pictures), open_run(document["run"])
    pipe = load(source)
    pipe.unet = PeftModel.from_pretrained(pipe.unet, str(read_adapter("zorp").path / "unet")).base_model.model
    spec = DreamboothSpec.model_validate(run.spec())
    (again,) = draw_(pipe, DrawRequest(recipe(source, "zorp", spec, seed=0)))
    from PIL import Image, ImageChops

    (sample,) = read_pictures(run, 12)
    difference: Any = ImageChops.difference(again.image, Image.open(sample.file).convert("RGB"))
    assert max(high for _, high in difference.getextrema()) <= 1


def test_the_text_encoder_learns_too(studio, pictures, robot):
    code, _, errors = train(
        studio, robot, "both", "--train-text-encoder", "--text-rank", 2, "--text-alpha", 6, "--grad-accum", 2,
        "--target-modules", "attention-and-convolutions", "--gradient-checkpointing", "--flip", "--noise-offset", 0.05,
        "--text-learning-rate", 0.01, "--schedule", "constant_with_warmup", "--warmup", 0.2, "--wait",
    )  # fmt: skip
    assert code == 0, errors
    lora = read_lora(read_adapter("both"))
    assert {layer.rank for layer in lora["unet"].values()} == {4}
    assert {(layer.rank, layer.alpha) for layer in lora["text_encoder"].values()} == {(2, 6.0)}
    assert any(layer.a.dim() == 4 for layer in lora["unet"].values())
    assert all(layer.b.abs().max() > 0 for part in lora.values() for layer in part.values()), "a layer learnt nothing"
    assert (draw(pictures, "zorp") - draw(pictures, "zorp", "both")).abs().max() > 0


@pytest.mark.parametrize("more", [(), ("--train-text-encoder", "--gradient-checkpointing")])
def test_it_computes_in_half_precision(studio, pictures, robot, more):
    code, document, errors = train(
        studio, robot, "half", "--bf16", "--class-prompt", "cat", "--class-pictures", 2, "--samples", 1, *more, "--wait"
    )  # fmt: skip
    assert code == 0, errors
    whole = train(studio, robot, "whole", "--no-bf16", "--class-prompt", "cat", "--class-pictures", 2, *more, "--wait")[
        1
    ]
    half, full = (losses(open_run(each["run"])) for each in (document, whole))
    assert half != full and half == pytest.approx(full, rel=0.02)
    assert all(layer.a.dtype == torch.float32 for layer in read_lora(read_adapter("half"))["unet"].values())


@pytest.mark.parametrize("more", [(), ("--train-text-encoder",)])
def test_sdxl_with_its_two_text_encoders(studio, xl, robot, more):
    code, _, errors = train(
        studio, robot, "xl", "--model", xl, "--class-prompt", "cat", "--class-pictures", 2, "--learning-rate", 0.02,
        "--samples", 1, *more, "--wait",
    )  # fmt: skip
    assert code == 0, errors
    adapter = read_adapter("xl")
    assert set(read_lora(adapter)) == {"unet", *(("text_encoder", "text_encoder_2") if more else ())}
    assert (adapter.path / "cover.png").exists()
    assert (draw(xl, "zorp") - draw(xl, "zorp", "xl")).abs().max() > 0


def test_stop_saves_and_resume_gives_the_same_end(studio, pictures, robot):
    more = [
        "--max-steps",
        150,
        "--save-steps",
        100,
        "--class-prompt",
        "cat",
        "--class-pictures",
        2,
        "--train-text-encoder",
    ]
    _, undisturbed, errors = train(studio, robot, "whole", *more, "--wait")
    assert undisturbed["status"] == "finished", errors
    _, document, _ = train(studio, robot, "halved", *more)
    run = open_run(document["run"])
    shutil.rmtree(robot)  # the run has its own copy
    until(lambda: run.status().step >= 5, 120)
    local.stop(run)  # at once: a command would take as long to start as the training takes
    stopped = run.status()
    assert stopped.state == "stopped" and 5 <= stopped.step < 150
    checkpoint = newest_complete(run.checkpoints)
    assert checkpoint and step_of(checkpoint) == stopped.step
    assert not (settings().lora_store / "halved").exists()
    code, resumed, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert resumed["status"] == "finished" and run.status().steps_at_start == stopped.step
    assert losses(run) == losses(open_run(undisturbed["run"]))
    for part in ("unet", "text_encoder"):
        one, other = (settings().lora_store / name / part / "adapter_model.safetensors" for name in ("whole", "halved"))
        assert one.read_bytes() == other.read_bytes()


def test_a_killed_run_goes_on_from_its_last_checkpoint(studio, pictures, robot):
    more = ["--max-steps", 150, "--save-steps", 3, "--batch-size", 16]  # steps that are slow enough to be interrupted
    _, undisturbed, errors = train(studio, robot, "whole", *more, "--wait")
    assert undisturbed["status"] == "finished", errors
    _, document, _ = train(studio, robot, "killed", *more)
    run = open_run(document["run"])
    until(lambda: run.status().step >= 7, 120)
    kill(run)
    assert run.status().state == "lost"
    checkpoint = newest_complete(run.checkpoints)
    assert checkpoint and step_of(checkpoint) >= 6
    code, _, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    assert losses(run) == losses(open_run(undisturbed["run"]))
    assert run.status().steps_at_start == step_of(checkpoint)


def test_two_processes_learn_what_one_does(studio, pictures, robot):
    shared = ["--class-prompt", "cat", "--class-pictures", 6, "--train-text-encoder", "--samples", 1]
    _, one, errors = train(studio, robot, "one", *shared, "--batch-size", 4, "--wait")
    assert one["status"] == "finished", errors
    alone = losses(open_run(one["run"]))
    for launcher in ("torchrun", "accelerate"):
        more = ["--nproc", 2, "--launcher", launcher, "--batch-size", 1, "--grad-accum", 2]
        shutil.rmtree(settings().var / "class_pictures")  # both draw their share
        _, two, errors = train(studio, robot, launcher, *shared, *more, "--wait")
        assert two["status"] == "finished", errors + open_run(two["run"]).log_tail()
        together = losses(open_run(two["run"]))
        assert together == pytest.approx(alone, abs=2e-5)
        assert two["world_size"] == 2
        (ends,) = [
            event["weights_by_rank"] for event in open_run(two["run"]).events() if event.get("event") == "weights"
        ]
        assert len(ends) == 2 and len(set(ends)) == 1


def test_class_pictures_are_drawn_once_for_all_runs(studio, pictures, robot):
    more = ["--class-prompt", "cat", "--class-pictures", 5, "--wait"]
    _, first, errors = train(studio, robot, "first", *more)
    assert first["status"] == "finished", errors
    (folder,) = (settings().var / "class_pictures").iterdir()
    made = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.png")}
    assert {f"{seed:04d}.png" for seed in range(5)} <= set(made)
    assert json.loads((folder / "recipe.json").read_text())["prompt"] == "cat"
    _, second, _ = train(studio, robot, "second", *more)
    assert {file.name: file.stat().st_mtime_ns for file in folder.glob("*.png")} == made
    assert losses(open_run(second["run"])) == losses(open_run(first["run"]))
    assert not [event for event in open_run(second["run"]).events() if event.get("event") == "class_pictures"]
    # without prior preservation there is no such loss
    _, third, _ = train(studio, robot, "third", "--class-prompt", "cat", "--no-prior-preservation", "--wait")
    assert not any("prior_loss" in event for event in open_run(third["run"]).events())


def test_the_command_it_shows_starts_the_same_run(studio, pictures, robot):
    import shlex

    _, first, errors = train(studio, robot, "one", "--wait")
    assert first["status"] == "finished", errors
    shutil.rmtree(robot)
    words = shlex.split(first["command"].replace("--adapter one", "--adapter two"))
    assert words[:5] == ["python", "-m", "engine", "train", "dreambooth"]
    code, second, errors = studio(*words[3:], "--wait", "--json")
    assert code == 0, errors
    assert second["loss"] == first["loss"]


def test_a_loss_that_is_no_number_ends_it_with_a_sentence(studio, pictures, robot):
    code, document, errors = train(studio, robot, "bad", "--alpha", 1e40, "--wait")  # infinite in 32 bits
    assert (code, document["status"]) == (1, "failed")
    assert "not a number any more" in document["message"] and len(errors.strip().splitlines()) == 1
    assert not (settings().lora_store / "bad").exists()
