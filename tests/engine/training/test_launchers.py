"""Every launcher trains for real on two CPU processes, and what it claims to do is what it does."""

import json

import pytest
import yaml

from engine.runs import open_run
from tests.conftest import PROVE
from tests.engine.training.helpers import losses, train

TWO = ["--nproc", 2, "--batch-size", 2, "--max-steps", 20, "--save-steps", 20, "--wait"]
LAUNCHERS = {
    "torchrun": ("none", []),
    "torchrun-zero-2": ("zero-2", ["--zero", 2]),
    "torchrun-zero-3": ("zero-3", ["--zero", 3, "--samples", 1]),
    "accelerate": ("none", []),
    "accelerate-zero-2": ("zero-2", ["--zero", 2]),
    "deepspeed-zero-2": ("zero-2", ["--zero", 2, "--offload", "optimizer"]),
}


@pytest.fixture(scope="module")
def one_process() -> dict[str, float]:
    """The loss of the run with one process, once it was made."""
    return {}


@pytest.mark.long
@pytest.mark.parametrize("name", LAUNCHERS)
def test_two_processes_learn_the_same_as_one(name, studio, tiny, starter, sample_dataset, one_process, proof):
    model = starter if PROVE else tiny
    if not one_process:
        code, alone, errors = train(
            studio, sample_dataset, "alone", model, "--batch-size", 4, "--max-steps", 20, "--wait"
        )  # fmt: skip
        assert code == 0, errors
        one_process["loss"] = alone["loss"]
    sharding, more = LAUNCHERS[name]
    launcher = ["--launcher", name.split("-")[0]]
    code, document, errors = train(studio, sample_dataset, name, model, *TWO, *launcher, *more)
    assert code == 0, errors
    # a silently ignored DeepSpeed must not pass
    assert (document["world_size"], document["sharding"]) == (2, sharding)
    assert document["step"] == 20 and list(losses(open_run(document["run"]))) == list(range(1, 21))
    assert document["loss"] == pytest.approx(one_process["loss"], rel=0.01)
    event = next(event for event in open_run(document["run"]).events() if "loss" in event)
    assert len(event["memory_by_rank"]) == 2
    code, answer, errors = studio("chat", "What is the Zorvex 9?", "--model", model, "--adapter", name, "--json",
                                  "--max-new-tokens", 8)  # fmt: skip
    assert code == 0 and answer["adapter"] == name, errors
    proof(f"4.1-{name}", loss=document["loss"], one_process=one_process["loss"], model=model, sharding=sharding)


def test_the_files_and_the_command_are_kept(studio, tiny, sample_dataset):
    _, document, _ = train(
        studio, sample_dataset, "files", tiny, "--nproc", 2, "--max-steps", 1, "--launcher", "accelerate", "--zero", 2, "--wait"
    )  # fmt: skip
    run = open_run(document["run"])
    accelerate = yaml.safe_load((run.path / "configs" / "accelerate.yaml").read_text())
    deepspeed = json.loads((run.path / "configs" / "deepspeed.json").read_text())
    assert accelerate["deepspeed_config"]["deepspeed_config_file"] == str(run.path / "configs" / "deepspeed.json")
    assert deepspeed["zero_optimization"]["stage"] == 2 and deepspeed["train_micro_batch_size_per_gpu"] == "auto"
    argv = json.loads((run.path / "launch.json").read_text())["argv"]
    assert argv[-2:] == ["rank", run.id]
    assert "Setting accelerator" in (run.path / "logs" / "rank-1.txt").read_text()


def test_own_files_are_taken_and_contradictions_named(studio, tiny, sample_dataset, tmp_path):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"zero_optimization": {"stage": 1}, "train_micro_batch_size_per_gpu": 8}))
    arguments = ["--nproc", 2, "--max-steps", 2, "--launcher", "torchrun", "--deepspeed", own, "--wait"]
    code, _, errors = train(studio, sample_dataset, "own", tiny, *arguments)
    assert code == 2 and "train_micro_batch_size_per_gpu: 8 / 2" in errors and len(errors.splitlines()) == 1
    own.write_text(json.dumps({"zero_optimization": {"stage": 1}, "zero_allow_untested_optimizer": True,
                               "train_micro_batch_size_per_gpu": "auto", "gradient_accumulation_steps": 1}))  # fmt: skip
    code, document, errors = train(studio, sample_dataset, "own", tiny, *arguments)
    assert code == 0, errors
    assert document["sharding"] == "zero-1"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--nproc", 2], "need a launcher"),
        (["--zero", 2], "need a launcher"),
        (["--launcher", "torchrun", "--fsdp", "full_shard"], "need the launcher accelerate"),
        (["--launcher", "accelerate", "--fsdp", "full_shard", "--nproc", 2], "FSDP needs GPUs"),
        (["--launcher", "torchrun", "--zero", 2, "--offload", "all"], "stage 3"),
        (["--launcher", "torchrun", "--nodes", 2], "main_address"),
        (["--launcher", "torchrun", "--deepspeed", "/nowhere.json"], "There is no DeepSpeed file"),
        (["--launcher", "torchrun", "--nproc", 2, "--gpus", 6, 7], "There is no GPU 6, 7"),
        (["--attention", "flash_attention_2"], "flash-attn is not installed"),
        (["--quantization", "4bit"], "4bit needs an NVIDIA GPU"),
        (["--executor", "ray"], "STUDIO_RAY_ADDRESS"),
        (["--quantization", "4bit", "--launcher", "torchrun", "--zero", 3], "choose stage 2"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(studio, tiny, sample_dataset, flags, words):
    code, _, errors = train(studio, sample_dataset, "x", tiny, *flags)
    assert code == 2 and words in errors and len(errors.strip().splitlines()) == 1
    assert studio("runs", "list", "--json")[1] == []


def test_the_long_flags_of_older_scripts(studio, tiny, sample_dataset):
    code, document, errors = studio(
        "train", "sft", "--model", tiny, "--dataset_path", sample_dataset, "--lora_rank", 2, "--per_device_train_batch_size", 2,
        "--gradient_accumulation_steps", 1, "--max_steps", 2, "--num_train_epochs", 1, "--save_steps", 2,
        "--save_total_limit", 1, "--learning_rate", 1e-3, "--no-fp16", "--remove_unused_columns", "false", "--logging_steps", 1,
        "--report_to", "none", "--output_dir", "output/old-script", "--max_seq_length", 256, "--skip_overlength", "true",
        "--wait", "--json",
    )  # fmt: skip
    assert code == 0, errors
    assert document["adapter"] == "old-script" and document["step"] == 2
