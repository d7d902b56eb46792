"""TRL's DPO trainer with our head and LoRA layers on CPUs, from its very first pass on."""

from typing import Any

from trl.trainer.dpo_trainer import DPOTrainer

from engine.training.trainer.on_cpu import speed_up


class DpoTrainer(DPOTrainer):
    """What TRL's takes."""

    def __init__(self, *args: Any, **more: Any):
        super().__init__(*args, **more)
        speed_up(self)

    def _precompute_ref_logps(self, *args: Any, **more: Any) -> Any:
        # TRL's __init__ calls this, when model and adapter are there: the reference's pass over all rows is fast too
        speed_up(self)
        return super()._precompute_ref_logps(*args, **more)
