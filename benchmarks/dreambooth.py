"""DreamBooth: a step of ours against one of diffusers' own example script, on the same pictures with the same settings.

python -m benchmarks.dreambooth                                   60 steps each, three rounds, a few minutes
python -m benchmarks.dreambooth --model sd15 --resolution 512     on a GPU, with a model under var/models
python -m benchmarks.dreambooth --script train_dreambooth_lora.py

The script is not part of this project: without --script it is fetched from diffusers' repository, once. Another version than the
pinned one is refused unless `--any-script` is given.

Both learn the five sample pictures with prior preservation from the same class pictures, a LoRA of rank 8 on attention, AdamW,
one learning rate without schedule, no min-SNR weights, in float32 on a CPU and in bf16 on a GPU. The first steps are left
out; a step's time is the median from the end of one to the end of the next, with all that happens between.
Ours encodes each picture once; the script does so in each step, and its prompts too unless it is told to encode them first.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.report import report
from benchmarks.running import run
from engine.devices import has_cuda
from engine.diffusion.catalog import local_path, resolve
from engine.files import sha256
from engine.settings import settings
from engine.training.dreambooth_sample import CLASS_PROMPT, INSTANCE_PROMPT, sample_subject

SCRIPT = "https://raw.githubusercontent.com/huggingface/diffusers/c56add8081be60b7e8794e011f1790d0e37aeced/examples/dreambooth/train_dreambooth_lora.py"
SHA256 = "89cd066f65b2c5d4e8ab578f4050f485a880a9c8fc100ddf18c6b0c74eadb5d2"
BATCH, RANK, RATE, CLASS_PICTURES = 4, 8, 1e-4, 8
WARM_UP = 5
"""Steps that are not counted."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--script", type=Path, default=os.environ.get("STUDIO_DREAMBOOTH_SCRIPT"), help="diffusers' script"
    )
    parser.add_argument("--any-script", action="store_true", help="take another version of it")
    parser.add_argument("--model", default="starter", help="the base, as everywhere")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    asked.script = Path(asked.script) if asked.script else fetched()
    if not asked.script.is_file():
        raise SystemExit(f"There is no file {asked.script}: say with --script where diffusers' script lies.")
    if sha256(asked.script) != SHA256 and not asked.any_script:
        raise SystemExit("This is not the pinned version of the script: see --help.")
    with tempfile.TemporaryDirectory(prefix="dreambooth-") as name:
        os.environ["STUDIO_MODEL_FOLDERS"] = json.dumps([str(settings().models), *map(str, settings().model_folders)])
        bench = _Bench(Path(name), asked)
        contenders: dict[str, Callable[[], float]] = {
            "ours": bench.ours,
            "diffusers' script": bench.script,
            "diffusers' script, prompts encoded first": lambda: bench.script("--pre_compute_text_embeddings"),
        }
        rounds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(asked.rounds):
            for name, measure in contenders.items():
                rounds[name].append(measure())
                print(f"  {name}: {rounds[name][-1]:.4f} s a step", file=sys.stderr)
    median = {name: statistics.median(each) for name, each in rounds.items()}
    table = [
        {"contender": name, "seconds a step": seconds, "ours / it": median["ours"] / seconds}
        for name, seconds in median.items()
    ]
    holds = median["ours"] <= min(seconds for name, seconds in median.items() if name != "ours")
    report("dreambooth-speed", "A DreamBooth step is no slower than one of diffusers' own script", table, holds)


def fetched() -> Path:
    """The pinned script, from the network on the first call."""
    file = settings().var / "benchmarks" / "train_dreambooth_lora.py"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with urlopen(SCRIPT, timeout=60) as answer:
                file.write_bytes(answer.read())
        except OSError as error:
            raise SystemExit(
                f"{SCRIPT} cannot be had ({error}): get it by other means and name it with --script."
            ) from error
    return file


class _Bench:
    """The data and settings that all share."""

    def __init__(self, folder: Path, asked: argparse.Namespace):
        self.folder, self.asked = folder, asked
        self.base = local_path(resolve(asked.model))
        self.home = folder / "home"
        self.images = folder / "images"
        sample_subject(self.images)
        self.half = "bf16" if has_cuda() else "no"
        self._number = 0

    def ours(self) -> float:
        """Our command."""
        self._number += 1
        values = {
            "images": self.images,
            "instance-prompt": INSTANCE_PROMPT,
            "class-prompt": CLASS_PROMPT,
            "class-pictures": CLASS_PICTURES,
            "adapter": f"bench-{self._number}",
            "model": self.asked.model,
            "resolution": self.asked.resolution,
            "max-steps": self.asked.steps,
            "batch-size": BATCH,
            "rank": RANK,
            "alpha": RANK,
            "learning-rate": RATE,
            "schedule": "constant",
            "snr-gamma": 0,
            "weight-decay": 0.01,
            "samples": 0,
            "save-steps": 100_000,
        }
        words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
        half = ["--bf16"] if self.half == "bf16" else ["--no-bf16"]
        command = [sys.executable, "-m", "engine", "train", "dreambooth", *words, *half, "--wait", "--json"]
        told: dict[str, Any] = json.loads(run(command, {**os.environ, "STUDIO_HOME": str(self.home)}))
        events = [json.loads(line) for line in (Path(told["path"]) / "events.jsonl").read_text().splitlines()]
        return _step([event["time"] for event in events if "loss" in event])

    def script(self, *more: str) -> float:
        """diffusers' script, with what differs from its defaults."""
        (classes,) = (self.home / "var" / "class_pictures").iterdir()
        for file in classes.glob("*.json"):
            file.unlink()  # the script opens all that lies there
        times, out = self.folder / "times.json", self.folder / "out"
        values = {
            "pretrained_model_name_or_path": self.base,
            "instance_data_dir": self.images,
            "instance_prompt": INSTANCE_PROMPT,
            "class_data_dir": classes,
            "class_prompt": CLASS_PROMPT,
            "num_class_images": CLASS_PICTURES,
            "output_dir": out,
            "resolution": self.asked.resolution,
            "train_batch_size": BATCH,
            "rank": RANK,
            "learning_rate": RATE,
            "max_train_steps": self.asked.steps,
            "mixed_precision": self.half,
            "checkpointing_steps": 100_000,
            "lr_scheduler": "constant",
            "seed": 0,
        }
        words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "benchmarks.against_diffusers_dreambooth", str(self.asked.script), str(times)]
        run([*command, *words, "--with_prior_preservation", *more], {**os.environ, "HF_HUB_OFFLINE": "1"})
        return _step(json.loads(times.read_text()))


def _step(ended: list[float]) -> float:
    """Median seconds from the end of one step to that of the next."""
    return statistics.median(after - before for before, after in pairwise(ended[WARM_UP:]))


if __name__ == "__main__":
    main()
