"""TRL's script `trl/scripts/dpo.py` as it is, timed from before its first step until it has saved its adapter.

Takes the script's own flags; the last line printed is a JSON object with `seconds` and the mean `loss` of its steps.
"""

import json
import statistics
import time
from typing import Any

from trl.scripts import dpo
from trl.trainer.dpo_trainer import DPOTrainer


def main() -> None:
    """Run it."""
    seen: dict[str, Any] = {}
    train = DPOTrainer.train

    def timed(self: Any, *args: Any, **more: Any) -> Any:
        seen["trainer"], seen["began"] = self, time.perf_counter()
        return train(self, *args, **more)

    DPOTrainer.train = timed
    parser = dpo.make_parser()
    dpo.main(*parser.parse_args_and_config(fail_with_unknown_args=False))
    losses = [entry["loss"] for entry in seen["trainer"].state.log_history if "loss" in entry]
    print(json.dumps({"seconds": time.perf_counter() - seen["began"], "loss": statistics.mean(losses)}))


if __name__ == "__main__":
    main()
