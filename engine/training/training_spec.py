"""What every training is asked for, of words or of pictures: the adapter's name, the base, the batch, the optimisation, saving.

The description of a field says what changes when its value goes up or down; pages translate it, `--help` prints it.
"""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from engine.adapters.store import refuse_existing
from engine.errors import BadInput
from engine.runs import list_runs
from engine.runs.run import ENDED
from engine.training.launch.specs import LaunchSpec


class TrainingSpec(LaunchSpec):
    """An adapter to be trained."""

    method: ClassVar[str] = ""
    """What the run's kind is called, and the command."""

    adapter: str = Field(description="The name the new adapter gets in lora_store/.")
    model: str = Field("starter", description="The base model: starter, a folder or a hub id.")
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="How the learning rate falls over the run: cosine and linear reach zero at the end."
    )
    weight_decay: float = Field(0.0, ge=0, description="Pull towards zero: higher keeps the adapter's weights smaller.")
    max_grad_norm: float = Field(
        1.0, gt=0, description="Longer gradients are cut to this length: lower calms a loss that jumps."
    )
    batch_size: int = Field(4, ge=1, description="Rows per device and pass: higher needs more memory.")
    grad_accum: int = Field(
        1, ge=1, description="Passes per optimizer step: higher is as a larger batch without its memory, and slower."
    )
    bf16: bool | None = Field(None, description="Compute in bfloat16; by default where the GPU or the CPU has it.")
    fp16: bool | None = Field(None, description="Compute in float16; by default on GPUs without bfloat16.")
    gradient_checkpointing: bool = Field(
        False, description="Recompute instead of remember: needs far less memory, and takes about a fifth longer."
    )
    save_steps: int = Field(
        50, ge=1, description="Steps between checkpoints: lower loses less when the machine fails, and writes more."
    )
    log_steps: int = Field(1, ge=1, description="Steps between points on the charts.")
    save_total_limit: int = Field(2, ge=1, description="Checkpoints kept: higher needs more disk.")
    seed: int = Field(0, ge=0, lt=2**32, description="The same seed gives the same run.")

    @model_validator(mode="after")
    def _one_precision(self) -> "TrainingSpec":
        if self.bf16 and self.fp16:
            raise BadInput("Choose bf16 or fp16, not both.")
        return self


def refuse_taken(adapter: str) -> None:
    """Refuse a name for a new adapter that one has already, or that a run is making.

    Raises:
        BadInput: it is taken.
    """
    refuse_existing(adapter)
    for run in list_runs():
        status = run.status()
        if status.adapter == adapter and status.state not in ENDED:
            raise BadInput(
                "The run {run} is making an adapter “{name}” already: choose another name, or wait for it.",
                run=run.id,
                name=adapter,
            )
