"""LLaMA-Factory 0.9.5's command line with its shipped LoRA example, in a virtual environment of its own.

The example is `examples/train_lora/qwen3_lora_sft.yaml` of its repository. Only what must differ does: model, template,
data, where things go, the learning rate and seed that all contenders share, one epoch, and bf16 (see `benchmarks.training`).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from engine.files import read_json
from engine.settings import ROOT

VERSION = "0.9.5"
EXAMPLE = {
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "lora_rank": 8,
    "lora_target": "all",
    "cutoff_len": 2048,
    "preprocessing_num_workers": 16,
    "dataloader_num_workers": 4,
    "save_steps": 500,
    "overwrite_output_dir": True,
    "save_only_model": False,
    "report_to": "none",
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 8,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "bf16": True,
    "ddp_timeout": 180000000,
}
"""Without `max_samples: 1000`, which would cut the rows; `plot_loss`, which draws a picture; `logging_steps: 10`."""
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
"""Of the starter's own template; LLaMA-Factory's has a full stop after it."""


def interpreter(given: str | None) -> Path:
    """The Python that LLaMA-Factory is installed for: the one given, or a new virtual environment's (several GB)."""
    python = Path(given or ROOT / "var" / "llamafactory" / "bin" / "python")
    if not python.exists():
        print(f"Installing LLaMA-Factory {VERSION} into {python.parent.parent} …")
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"llamafactory=={VERSION}"], check=True)
    return python


def write_input(folder: Path, rows: list[dict[str, str]], model: Path, settings: dict) -> Path:
    """Write data in its own format, the model folder and the YAML file; returns the latter.

    Args:
        folder: to write to.
        rows: of `prompt` and `completion`.
        model: the model's folder. With `bf16: false` LLaMA-Factory takes the weights' type from `config.json`, so it gets
            a folder with the same weights whose config says float32.
        settings: what differs from the example.
    """
    (folder / "model").mkdir(parents=True)
    for file in model.iterdir():
        (folder / "model" / file.name).symlink_to(file.resolve())
    config = read_json(model / "config.json") | ({} if settings.get("bf16") else {"dtype": "float32"})
    (folder / "model" / "config.json").unlink()
    (folder / "model" / "config.json").write_text(json.dumps(config))
    alpaca = [{"instruction": row["prompt"], "input": "", "output": row["completion"]} for row in rows]
    (folder / "rows.json").write_text(json.dumps(alpaca, ensure_ascii=False))
    (folder / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}))
    everything = {
        **EXAMPLE,
        "model_name_or_path": str(folder / "model"),
        "dataset": "rows",
        "dataset_dir": str(folder),
        "template": "smollm2",
        "default_system": SYSTEM,
        "output_dir": str(folder / "out"),
        "include_num_input_tokens_seen": "non_padding",
        **settings,
    }
    path = folder / "train.yaml"
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in everything.items()))
    return path


def command(python: Path, file: Path) -> list[str]:
    """What its user types."""
    return [str(python.parent / "llamafactory-cli"), "train", str(file)]


def environment(folder: Path) -> dict[str, str]:
    """Nothing is fetched, and nothing is remembered from an earlier run."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}


def measured(folder: Path) -> dict[str, float]:
    """What Trainer measured: seconds of training, and tokens seen."""
    seconds = read_json(folder / "out" / "train_results.json")["train_runtime"]
    return {"seconds": seconds, "tokens": read_json(folder / "out" / "trainer_state.json")["num_input_tokens_seen"]}
