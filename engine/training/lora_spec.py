"""What every training of a LoRA adapter is asked for, whatever it learns from: the adapter, the optimisation, the launch.

The description of a field says what changes when its value goes up or down; pages translate it, `--help` prints it.
"""

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from engine.adapters.store import read_adapter, refuse_existing
from engine.errors import BadInput
from engine.models.adapters import refuse_other_base
from engine.models.catalog import fingerprint, resolve
from engine.runs import list_runs
from engine.runs.run import ENDED
from engine.training.launch.specs import LaunchSpec

TargetModules = Literal["all-linear", "attention", "mlp"]
Spec = TypeVar("Spec", bound="LoraSpec")
# methods differ in what is a good value of these
LearningRate = Annotated[
    float, Field(gt=0, lt=1, description="Higher learns faster, and beyond a point forgets or diverges.")
]
Warmup = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="Share of the steps over which the learning rate rises from zero: higher starts more gently.",
    ),
]


class LoraSpec(LaunchSpec):
    """A LoRA adapter to be trained."""

    method: ClassVar[str] = ""
    """What the run's kind is called, and the command."""

    dataset: str = Field(description="The dataset to learn from.")
    adapter: str = Field(description="The name the new adapter gets in lora_store/.")
    model: str = Field("starter", description="The base model: starter, a folder or a hub id.")
    from_adapter: str | None = Field(
        None, description="Go on training a copy of this adapter, with its rank and alpha, instead of a fresh one."
    )
    stack: bool = Field(
        False,
        description="Train a fresh adapter on top of from_adapter instead of a copy of it; the result holds both.",
    )
    rank: int = Field(
        8, ge=1, le=1024, description="Higher lets the adapter learn more, and makes it larger and slower to train."
    )
    alpha: float = Field(
        16, gt=0, description="Strength of the adapter is alpha / rank: higher makes what it learns weigh more."
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the adapter switched off at random: higher fights learning by heart, and learns slower.",
    )
    target_modules: TargetModules = Field(
        "all-linear",
        description="Which layers get an adapter: all-linear learns most; attention or mlp alone is smaller.",
    )
    learning_rate: LearningRate = 5e-4
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = Field(
        "cosine", description="How the learning rate falls over the run: cosine and linear reach zero at the end."
    )
    warmup: Warmup = 0.03
    weight_decay: float = Field(0.0, ge=0, description="Pull towards zero: higher keeps the adapter's weights smaller.")
    max_grad_norm: float = Field(
        1.0, gt=0, description="Longer gradients are cut to this length: lower calms a loss that jumps."
    )
    batch_size: int = Field(4, ge=1, description="Rows per device and pass: higher needs more memory.")
    grad_accum: int = Field(
        1, ge=1, description="Passes per optimizer step: higher is as a larger batch without its memory, and slower."
    )
    epochs: float = Field(
        3.0, gt=0, description="How often each conversation is seen; counts only if max_steps is not set."
    )
    max_steps: int | None = Field(None, ge=1, description="Optimizer steps in all; overrides epochs.")
    max_length: int = Field(1024, ge=8, description="Tokens of a conversation that are used: higher needs more memory.")
    eval_split: float = Field(
        0.02,
        ge=0,
        lt=1,
        description="Share of the conversations kept aside to measure with: higher measures better, and trains on fewer.",
    )
    quantization: Literal["none", "4bit"] = Field(
        "none", description="4bit holds the base model in a quarter of the memory (QLoRA); NVIDIA GPUs only."
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
    eval_steps: int = Field(50, ge=1, description="Steps between measurements on the part kept aside.")
    save_total_limit: int = Field(2, ge=1, description="Checkpoints kept: higher needs more disk.")
    samples: int = Field(
        3,
        ge=0,
        le=20,
        description="Prompts answered at every evaluation, to read how the model changes; 0 switches it off.",
    )
    sample_prompts: list[str] = Field(
        [], description="The prompts to answer then; by default the first ones of the part kept aside."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="The same seed gives the same run.")
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"] = Field(
        "auto", description="How attention is computed: auto takes PyTorch's own; flash_attention_2 must be installed."
    )
    liger: bool | None = Field(None, description="Liger's fused kernels; by default where they are installed.")
    report_to: Literal["none", "tensorboard", "wandb", "trackio"] = Field(
        "none", description="Where the curves are written too: TensorBoard's are in the run's folder."
    )

    @property
    def adapters(self) -> list[str]:
        """The adapters in the store that it reads."""
        return [self.from_adapter] if self.from_adapter else []

    @model_validator(mode="after")
    def _can_be_trained(self) -> "LoraSpec":
        if self.bf16 and self.fp16:
            raise BadInput("Choose bf16 or fp16, not both.")
        if self.quantization != "none" and self.zero == 3:
            raise BadInput("A 4-bit base model cannot be shared out by ZeRO stage 3: choose stage 2.")
        if self.stack and not self.from_adapter:
            raise BadInput("Stacking needs an adapter to stack on: choose one in from_adapter.")
        if self.stack and (self.zero == 3 or self.quantization != "none"):
            raise BadInput(
                "Stacking merges an adapter into the base first, which ZeRO stage 3 and 4-bit weights forbid."
            )
        return self


def continued(spec: Spec) -> Spec:
    """With the rank and alpha of the adapter whose copy it trains: these cannot be others."""
    if not spec.from_adapter or spec.stack:
        return spec
    adapter = read_adapter(spec.from_adapter, kind="chat")
    return spec.model_copy(update={"rank": adapter.rank or spec.rank, "alpha": adapter.alpha or spec.alpha})


def check_lora(spec: LoraSpec) -> None:
    """Refuse now what would fail later: an unknown model or adapter, a name that is taken.

    Raises:
        BadInput: with what to do.
    """
    source = resolve(spec.model)
    refuse_existing(spec.adapter)
    if spec.from_adapter:
        refuse_other_base(read_adapter(spec.from_adapter, kind="chat"), source.name, fingerprint(source))
    for run in list_runs():
        status = run.status()
        if status.adapter == spec.adapter and status.state not in ENDED:
            raise BadInput(
                "The run {run} is making an adapter “{name}” already: choose another name, or wait for it.",
                run=run.id,
                name=spec.adapter,
            )
