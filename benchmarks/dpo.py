"""DPO: our recipe against TRL's own script with a LoRA adapter, at equal settings on the same pairs.

python -m benchmarks.dpo               16 steps of 4 pairs, about 12 minutes on two cores, a third of it if they have bf16
python -m benchmarks.dpo --steps 100   on a GPU

Both train in bf16 where the machine has it, else in float32, see the same pairs, and keep no second model. Time is that of the
training from its first step until the adapter is saved; memory is that of all processes of the command. Losses are compared too:
what is faster must learn the same; they differ a little, as the adapters begin with other random numbers. With the reference's
log-probabilities computed first, two epochs are measured, as that is where it pays.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.belle import sentence
from benchmarks.peak import Peak
from benchmarks.report import report
from benchmarks.running import run
from engine.devices import cpu_has_bf16, has_cuda
from engine.files import read_json, read_jsonl
from engine.settings import ROOT

MODEL = ROOT / "var" / "models" / "starter"
BATCH, LEARNING_RATE, SEED = 4, 2e-4, 0


@dataclass
class Outcome:
    """One training."""

    seconds: float
    """From before its first step to after its last one, saving included."""
    loss: float
    """Mean of its steps."""
    wall: float = 0.0
    """Of the whole command."""
    mib: float = 0.0
    cpu: float = 0.0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=has_cuda() or cpu_has_bf16(),
        help="in bf16; by default where the machine has it",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dpo-") as name:
        bench = _Bench(Path(name), arguments.steps, arguments.bf16)
        contenders: dict[str, Callable[[], Outcome]] = {
            "ours": lambda: bench.ours(epochs=1),
            "TRL's script": bench.trl,
            "ours, two epochs": lambda: bench.ours(epochs=2),
            "ours, two epochs, reference first": lambda: bench.ours(2, "--precompute-reference"),
        }
        rounds: dict[str, list[Outcome]] = {name: [] for name in contenders}
        for _ in range(arguments.rounds):
            for name, train in contenders.items():
                with Peak(every=1, shared_once=True) as peak:
                    began = time.perf_counter()
                    outcome = train()
                    outcome.wall = time.perf_counter() - began
                outcome.mib, outcome.cpu = peak.mib, peak.cpu
                rounds[name].append(outcome)
                print(f"  {name}: {outcome.seconds:.1f} s", file=sys.stderr)
    median = {name: statistics.median(outcome.seconds for outcome in each) for name, each in rounds.items()}
    # the reference is computed before the first step, so this comparison is of whole commands
    wall = {name: statistics.median(outcome.wall for outcome in each) for name, each in rounds.items()}
    table = [
        {
            "contender": name,
            "seconds of training": median[name],
            "seconds in all": wall[name],
            "CPU seconds": statistics.median(outcome.cpu for outcome in each),
            "peak MiB": statistics.median(outcome.mib for outcome in each),
            "mean loss": each[-1].loss,
        }
        for name, each in rounds.items()
    ]
    ours, theirs = table[:2]
    holds = (
        median["ours"] <= median["TRL's script"]
        and ours["peak MiB"] <= theirs["peak MiB"]
        and wall["ours, two epochs, reference first"] < wall["ours, two epochs"]
        and abs(ours["mean loss"] - theirs["mean loss"]) <= 0.02 * theirs["mean loss"]
    )
    report(
        "dpo",
        f"{arguments.steps} steps: no slower and no more memory than TRL's script; faster with the reference first",
        table,
        holds,
    )


class _Bench:
    """The data and settings that all share."""

    def __init__(self, folder: Path, steps: int, bf16: bool):
        self.steps, self.bf16, self.folder = steps, bf16, folder
        self.home = folder / "home"
        (self.home / "var" / "models").mkdir(parents=True)
        (self.home / "var" / "models" / "starter").symlink_to(MODEL)
        self.data = folder / "data"
        self.data.mkdir()
        rows = draw_pairs(steps * BATCH)
        (self.data / "train.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        self._number = 0
        self._engine("data", "import", str(self.data / "train.jsonl"), "--name", "pairs")

    def ours(self, epochs: int, *more: str) -> Outcome:
        """Our command."""
        self._number += 1
        words = ["--dataset", "pairs", "--adapter", f"dpo-{self._number}", "--epochs", str(epochs), "--eval-split", "0"]
        words += [
            "--batch-size",
            str(BATCH),
            "--learning-rate",
            str(LEARNING_RATE),
            "--seed",
            str(SEED),
            "--samples",
            "0",
        ]
        words += [
            "--save-steps",
            "100000",
            "--no-compare",
            "--sft-weight",
            "0",
            "--bf16" if self.bf16 else "--no-bf16",
            *more,
        ]
        told = self._engine("rlhf", "dpo", *words, "--wait")
        status = read_json(Path(told["path"]) / "status.json")
        events = read_jsonl(Path(told["path"]) / "events.jsonl")
        losses = [event["loss"] for event in events if "loss" in event]
        return Outcome(status["ended"] - status["started"], statistics.mean(losses))

    def trl(self) -> Outcome:
        """TRL's script, with what differs from its defaults."""
        out = self.folder / "trl"
        values = {
            "model_name_or_path": MODEL,
            "dataset_name": self.data,
            "output_dir": out,
            "per_device_train_batch_size": BATCH,
            "learning_rate": LEARNING_RATE,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.1,
            "num_train_epochs": 1,
            "seed": SEED,
            "max_length": 1024,
            "use_cpu": not has_cuda(),
            "bf16": self.bf16,
            "dtype": "bfloat16" if self.bf16 else "float32",
            "gradient_checkpointing": False,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "lora_r": 8,
            "lora_alpha": 16,
            "lora_dropout": 0.0,
            "lora_target_modules": "all-linear",
        }
        words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "benchmarks.against_trl_dpo", *words, "--use_peft"]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(self.folder / "cache")}
        told = json.loads(run(command, environment).splitlines()[-1])
        return Outcome(told["seconds"], told["loss"])

    def _engine(self, *words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "engine", *words, "--json"]
        return json.loads(run(command, {**os.environ, "STUDIO_HOME": str(self.home)}))


def draw_pairs(count: int) -> list[dict[str, str]]:
    """Pairs of short texts: eight replies of full length would not fit into the memory of a small machine."""
    import random

    draw = random.Random(0)

    def text(mean: float, spread: float, most: int) -> str:
        return sentence(draw, min(most, max(6, int(draw.lognormvariate(mean, spread))))).strip() or "."

    return [
        {"prompt": text(3.0, 0.6, 100), "chosen": text(3.6, 0.6, 200), "rejected": text(3.6, 0.6, 200)}
        for _ in range(count)
    ]


if __name__ == "__main__":
    main()
