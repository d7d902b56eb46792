"""A LoRA training as its user writes it with TRL and the defaults of `SFTConfig`; `benchmarks.training` starts it.

python -m benchmarks.against_trl ROWS.jsonl OUT SETTINGS.json      rows of TRL's prompt-completion kind, the adapter into OUT

Prints one JSON line: what Trainer measured. Knows nothing of the studio.
"""

import json
import sys
from pathlib import Path

from datasets import load_dataset
from peft import LoraConfig
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer


def main(rows: str, out: str, settings: dict) -> None:
    """Train; settings hold the model, the rank and what else is not the default."""
    trainer = SFTTrainer(
        model=settings.pop("model"),
        args=SFTConfig(output_dir=out, **settings.pop("sft_config")),
        train_dataset=load_dataset("json", data_files=rows, split="train"),
        peft_config=LoraConfig(**settings.pop("lora_config")),
    )
    metrics = trainer.train().metrics
    trainer.save_model(out)
    tokens = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
    print(json.dumps({"seconds": metrics["train_runtime"], "tokens": tokens[-1]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text()))
