"""LoRA training: against TRL with the defaults of SFTConfig and LLaMA-Factory's shipped example; and each lever alone.

python -m benchmarks.training                 80 of 2,000 rows, about 20 minutes on two cores
python -m benchmarks.training --rows 16       a quick look
python -m benchmarks.training --rows 2000     on a GPU
STUDIO_LLAMAFACTORY names the Python that LLaMA-Factory is installed for; without it a virtual environment is made.

All see the same rows once, eight a step, with rank 8 on all linear layers and the same learning rate, schedule and seed.
They train in bf16, everybody's default, where the GPU or the CPU has it. A CPU without it computes it some hundred times
slower than float32: there all train in float32, and the table says what the other two do as shipped. Speed is that of the
whole training, from before the first step to after the last one (ours until the adapter is in the store), in tokens that are
no padding. The eval loss is computed here, in float32, for all alike.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import against_llamafactory as llamafactory
from benchmarks.belle import sentence
from benchmarks.peak import Peak
from benchmarks.report import report
from benchmarks.running import run
from engine.data.records import Message
from engine.data.tokenise import Encoded, encode
from engine.devices import cpu_has_bf16, has_cuda
from engine.files import read_json
from engine.models.loader import load_model, load_tokenizer
from engine.settings import ROOT

MODEL = ROOT / "var" / "models" / "starter"
MIXED = 2000
LONGEST = 1024  # TRL's default max_length and ours; longer rows are not drawn, so that nobody cuts
UNIFORM = 256
BATCH = 8
HELD_OUT = 24
LEARNING_RATE, WARMUP, SEED = 5e-4, 0.1, 0
PASSES = ["--batch-size", "2", "--grad-accum", str(BATCH // 2)]
"""Ours takes its steps in passes of two, which are then of like length: LLaMA-Factory's example takes eight passes of one."""
TWO_PROCESSES = ["--launcher", "torchrun", "--nproc", "2", "--batch-size", str(BATCH // 2)]
"""The same rows a step, on a CPU with one thread each: to be compared with one process with all threads."""
ONE, TWO = "eight a pass, one process", "eight a pass, two processes"
ONE_STEP = 120
"""Seconds that one step in bf16 may take."""

Rows = list[dict[str, str]]


@dataclass
class Outcome:
    """One training."""

    seconds: float
    """Of the training itself."""
    tokens: int
    """That it saw, without padding."""
    adapter: Path
    wall: float = 0.0
    """Seconds of the whole command."""
    cpu: float = 0.0
    """Seconds of computing, which a busy machine changes less."""
    mib: float = 0.0
    """Greatest memory of all its processes, what they share counted once."""


@dataclass
class Contender:
    """Something that trains: how it is started, and what came of it, round by round."""

    train: Callable[[Path], Outcome]
    rounds: list[Outcome] = field(default_factory=list)

    def median(self, value: Callable[[Outcome], float]) -> float:
        return statistics.median(value(outcome) for outcome in self.rounds)

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.median(lambda outcome: outcome.tokens / outcome.seconds)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=80, help="of the 2,000, seen by each contender")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=has_cuda() or cpu_has_bf16(),
        help="all in bf16; by default where the machine has it",
    )
    parser.add_argument("--llamafactory", default=os.environ.get("STUDIO_LLAMAFACTORY"), metavar="PYTHON")
    parser.add_argument(
        "--only", nargs="+", choices=["mixed", "uniform", "levers"], default=["mixed", "uniform", "levers"]
    )
    arguments = parser.parse_args()
    python = llamafactory.interpreter(arguments.llamafactory)
    with tempfile.TemporaryDirectory(prefix="training-") as name:
        bench = _Bench(Path(name), python, arguments.bf16)
        mixed = draw_rows(MIXED)
        data = {
            "mixed": mixed[: arguments.rows],
            "uniform": draw_rows(max(BATCH, arguments.rows // 2), UNIFORM, seed=1),
        }
        table: list[dict] = []
        speeds: dict[str, float] = {}
        for lengths in ("mixed", "uniform"):
            if lengths in arguments.only:
                table += compare(bench, lengths, data[lengths], arguments.rounds, speeds)
        if "levers" in arguments.only:
            table += levers(bench, data["mixed"][: max(BATCH, arguments.rows // 2)], arguments.rounds, speeds)
    claim = _claim(arguments.rows, arguments.bf16, arguments.only)
    report("training-speed", claim, table, _holds(table, speeds, arguments.only))


def _claim(rows: int, bf16: bool, only: list[str]) -> str:
    claims = {
        "mixed": "at least 1.5 × TRL's defaults and 2 × LLaMA-Factory's example as shipped, eval loss within 1 %",
        "uniform": "on uniform lengths no slower",
        "levers": "two processes at least 0.9 × one",
    }
    drawn = f"{rows} of {MIXED:,} rows of mixed lengths in {'bf16' if bf16 else 'float32'}"
    return f"{drawn}: {'; '.join(claims[part] for part in claims if part in only)}"


def _holds(table: list[dict], speeds: dict[str, float], only: list[str]) -> bool:
    losses = {
        lengths: [row["eval loss"] for row in table if row["lengths"] == lengths and row["eval loss"] != ""]
        for lengths in only
    }
    alike = all(not values or max(values) <= 1.01 * min(values) for values in losses.values())
    shipped = speeds.get("mixed LLaMA-Factory as shipped", speeds.get("mixed LLaMA-Factory", 0))
    mixed = "mixed" not in only or (
        speeds["mixed ours"] >= 1.5 * speeds["mixed TRL"] and speeds["mixed ours"] >= 2 * shipped
    )
    uniform = "uniform" not in only or (
        speeds["uniform ours"] >= max(speeds["uniform TRL"], speeds["uniform LLaMA-Factory"])
    )
    several = "levers" not in only or speeds["two processes"] >= 0.9 * speeds["one process"]
    return alike and mixed and uniform and several


class _Bench:
    """The folders and settings that all trainings of one benchmark share."""

    def __init__(self, folder: Path, llamafactory_python: Path, bf16: bool):
        self.folder = folder
        self.bf16 = bf16
        self.llamafactory_python = llamafactory_python
        self.home = folder / "home"
        (self.home / "var" / "models").mkdir(parents=True)
        (self.home / "var" / "models" / "starter").symlink_to(MODEL)
        self._number = 0

    def fresh(self) -> Path:
        """A new folder."""
        self._number += 1
        path = self.folder / str(self._number)
        path.mkdir()
        return path

    def engine(self, *words: str) -> dict[str, Any]:
        """What a command of ours prints."""
        command = [sys.executable, "-m", "engine", *words, "--json"]
        return json.loads(run(command, {**os.environ, "STUDIO_HOME": str(self.home)}))


def compare(bench: _Bench, lengths: str, rows: Rows, rounds: int, speeds: dict[str, float]) -> list[dict]:
    """The three, taking turns. Adds their speeds to `speeds`."""
    contenders = {
        "ours": Contender(ours(bench, rows, lengths, PASSES)),
        "TRL": Contender(lambda folder: trl(bench, folder, rows)),
        "LLaMA-Factory": Contender(lambda folder: llama_factory(bench, folder, rows)),
    }
    race(bench, contenders, rounds)
    held_out = draw_rows(HELD_OUT, seed=2)
    counted = {contender.rounds[-1].tokens for contender in contenders.values()}
    assert len(counted) == 1, f"they did not see the same tokens: {counted}"
    speeds |= {f"{lengths} {name}": contender.speed for name, contender in contenders.items()}
    lines = [
        _line(lengths, name, contender, contenders["ours"].speed / contender.speed)
        | {"eval loss": eval_loss(contender.rounds[-1].adapter, held_out)}
        for name, contender in contenders.items()
    ]
    if lengths == "mixed" and not bench.bf16:
        one_step = {"bf16": True, "max_steps": 1}
        step = counted.pop() / len(rows) * BATCH
        for name, train in {
            "TRL": lambda: trl(bench, bench.fresh(), rows, **one_step),
            "LLaMA-Factory": lambda: llama_factory(bench, bench.fresh(), rows, **one_step),
        }.items():
            speed, words = within_limit(train, step)
            speeds[f"{lengths} {name} as shipped"] = speed
            lines.append(_blank(lengths, f"{name}, one step in bf16, as shipped", words))
    return lines


def levers(bench: _Bench, rows: Rows, rounds: int, speeds: dict[str, float]) -> list[dict]:
    """Each of ours alone, against none of them; and two processes against one. Adds the speeds of these to `speeds`."""
    random, checkpointing, float32 = ["--batching", "random"], ["--gradient-checkpointing"], ["--no-bf16"]
    wanted = {
        "none": [*random, *checkpointing, *float32],
        "by length": [*checkpointing, *float32],
        "passes of two": [*random, *PASSES, *checkpointing, *float32],
        "packing": [*random, "--packing", *checkpointing, *float32],
        "no checkpointing": [*random, *float32],
        "bf16": [*random, *checkpointing],
        "all but packing": PASSES,
        ONE: [],
        TWO: TWO_PROCESSES,
    }
    contenders = {
        name: Contender(ours(bench, rows, "levers", flags))
        for name, flags in wanted.items()
        if name != "bf16" or bench.bf16
    }
    race(bench, contenders, rounds)
    plain = contenders["none"].speed
    speeds |= {"one process": contenders[ONE].speed, "two processes": contenders[TWO].speed}
    return [
        _line("mixed", f"ours, {name}", contender, contender.speed / plain) for name, contender in contenders.items()
    ]


def race(bench: _Bench, contenders: dict[str, Contender], rounds: int) -> None:
    """Each trains `rounds` times, in turns, so that a busy minute hurts all alike."""
    for _ in range(rounds):
        for name, contender in contenders.items():
            with Peak(every=2, shared_once=True) as peak:
                began = time.perf_counter()
                outcome = contender.train(bench.fresh())
                outcome.wall = time.perf_counter() - began
            outcome.mib, outcome.cpu = peak.mib, peak.cpu
            contender.rounds.append(outcome)
            print(
                f"  {name}: {outcome.tokens / outcome.seconds:.1f} tokens a second, {outcome.cpu:.1f} s of CPU",
                file=sys.stderr,
            )


def ours(bench: _Bench, rows: Rows, dataset: str, flags: list[str] | None = None) -> Callable[[Path], Outcome]:
    """Import the rows (a person does so once), and return what trains on them."""
    file = bench.fresh() / "rows.jsonl"
    file.write_text("".join(json.dumps({"messages": _messages(row)}, ensure_ascii=False) + "\n" for row in rows))
    if not (bench.home / "var" / "datasets" / dataset).exists():
        bench.engine("data", "import", str(file), "--name", dataset)
    common = f"--rank 8 --learning-rate {LEARNING_RATE} --schedule cosine --warmup {WARMUP} --seed {SEED} --epochs 1"
    words = [*common.split(), "--batch-size", str(BATCH), "--eval-split", "0", "--samples", "0", "--save-steps", "500"]
    words += ["--bf16" if bench.bf16 else "--no-bf16"]

    def train(folder: Path) -> Outcome:
        adapter = f"{dataset}-{folder.name}"
        told = bench.engine(
            "train", "sft", "--dataset", dataset, "--adapter", adapter, *words, *(flags or []), "--wait"
        )
        status = read_json(Path(told["path"]) / "status.json")
        card = next((bench.home / "var" / "datasets" / dataset / "prepared").glob("*/card.json"))
        seconds = status["ended"] - status["started"]
        return Outcome(seconds, read_json(card)["tokens"], bench.home / "lora_store" / adapter)

    return train


def trl(bench: _Bench, folder: Path, rows: Rows, **different: Any) -> Outcome:
    """A script in TRL; what is not its default is what all contenders share, and the precision."""
    config = {"learning_rate": LEARNING_RATE, "lr_scheduler_type": "cosine", "warmup_steps": WARMUP, "seed": SEED}
    config |= {"num_train_epochs": 1, "per_device_train_batch_size": BATCH, "bf16": bench.bf16, "report_to": "none"}
    config |= {"use_cpu": not has_cuda()}
    lora = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}
    settings = {"model": str(MODEL), "sft_config": {**config, **different}, "lora_config": lora}
    (folder / "settings.json").write_text(json.dumps(settings))
    lines = [{"prompt": _messages(row)[:1], "completion": _messages(row)[1:]} for row in rows]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    words = [str(folder / name) for name in ("rows.jsonl", "out", "settings.json")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    limit = ONE_STEP if "max_steps" in different else None
    told = json.loads(
        run([sys.executable, "-m", "benchmarks.against_trl", *words], environment, limit).splitlines()[-1]
    )
    return Outcome(told["seconds"], int(told["tokens"]), folder / "out")


def within_limit(train: Callable[[], Outcome], tokens: float) -> tuple[float, str]:
    """Tokens a second of one step of about so many tokens, at most, and in words; a step that takes too long is given up."""
    try:
        outcome = train()
    except subprocess.TimeoutExpired:
        return tokens / ONE_STEP, f"below {tokens / ONE_STEP:.0f}: not done after {ONE_STEP} s"
    speed = outcome.tokens / outcome.seconds
    return speed, f"{speed:.1f}"


def llama_factory(bench: _Bench, folder: Path, rows: Rows, **different: Any) -> Outcome:
    """Its command line with its example."""
    settings = {"learning_rate": LEARNING_RATE, "seed": SEED, "num_train_epochs": 1, "bf16": bench.bf16}
    settings |= {"use_cpu": not has_cuda()}
    settings |= different
    limit = ONE_STEP if "max_steps" in different else None
    file = llamafactory.write_input(folder / "work", rows, MODEL, settings)
    run(llamafactory.command(bench.llamafactory_python, file), llamafactory.environment(folder), limit)
    measured = llamafactory.measured(folder / "work")
    return Outcome(measured["seconds"], int(measured["tokens"]), folder / "work" / "out")


def draw_rows(count: int, length: int | None = None, seed: int = 0) -> Rows:
    """Questions and answers with lengths as BELLE's, or all of exactly `length` tokens."""
    draw = random.Random(seed)
    tokenizer = load_tokenizer("starter")
    rows: Rows = []
    while len(rows) < count:
        asked = 25 if length else min(500, max(6, int(draw.lognormvariate(3.2, 0.7))))
        answered = draw.randint(80, 180) if length else min(3000, max(4, int(draw.lognormvariate(4.85, 0.95))))
        row = {"prompt": sentence(draw, asked).strip(), "completion": sentence(draw, answered).strip()}
        size = len(_encoded(row, tokenizer).input_ids)
        if all(row.values()) and (size == length if length else size <= LONGEST):
            rows.append(row)
    return rows


def eval_loss(adapter: Path, rows: Rows) -> float:
    """Mean loss of an answer's token, the same for every contender's adapter."""
    import torch
    from peft import PeftModel

    tokenizer = load_tokenizer("starter")
    model: Any = PeftModel.from_pretrained(load_model("starter"), str(adapter)).eval()
    total, count = 0.0, 0
    for row in rows:
        encoded = _encoded(row, tokenizer)
        ids, labels = torch.tensor([encoded.input_ids]), torch.tensor([encoded.labels])
        trained = int((labels[:, 1:] != -100).sum())
        with torch.inference_mode():
            total += float(model(input_ids=ids.to(model.device), labels=labels.to(model.device)).loss) * trained
        count += trained
    return total / count


def _messages(row: dict[str, str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]


def _encoded(row: dict[str, str], tokenizer: Any) -> Encoded:
    return encode([Message.model_validate(message) for message in _messages(row)], tokenizer)


def _line(lengths: str, name: str, contender: Contender, ratio: float) -> dict:
    return {
        "lengths": lengths,
        "contender": name,
        "tokens": contender.rounds[-1].tokens,
        "tokens a second": contender.speed,
        "ours / it, lever / none": ratio,
        "wall seconds": contender.median(lambda outcome: outcome.wall),
        "CPU seconds": contender.median(lambda outcome: outcome.cpu),
        "peak MiB": contender.median(lambda outcome: outcome.mib),
        "eval loss": "",
    }


def _blank(lengths: str, name: str, speed: str) -> dict:
    blank = dict.fromkeys(
        ["tokens", "tokens a second", "ours / it, lever / none", "wall seconds", "CPU seconds", "peak MiB"], ""
    )
    return {"lengths": lengths, "contender": name, **blank, "tokens a second": speed, "eval loss": ""}


if __name__ == "__main__":
    main()
