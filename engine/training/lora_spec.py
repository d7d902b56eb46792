"""What every training of a LoRA adapter is asked for, whatever it learns from: the adapter, the optimisation, the launch.

The description of a field says what changes when its value goes up or down; pages translate it, `--help` prints it.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from engine.adapters.store import read_adapter
from engine.errors import BadInput
from engine.models.adapters import refuse_other_base
from engine.models.catalog import fingerprint, resolve
from engine.training.training_spec import TrainingSpec, refuse_taken

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


class LoraSpec(TrainingSpec):
    """A LoRA adapter of a language model to be trained."""

    dataset: str = Field(description="The dataset to learn from.")
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
    warmup: Warmup = 0.03
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
    eval_steps: int = Field(50, ge=1, description="Steps between measurements on the part kept aside.")
    samples: int = Field(
        3,
        ge=0,
        le=20,
        description="Prompts answered at every evaluation, to read how the model changes; 0 switches it off.",
    )
    sample_prompts: list[str] = Field(
        [], description="The prompts to answer then; by default the first ones of the part kept aside."
    )
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
    refuse_taken(spec.adapter)
    if spec.from_adapter:
        refuse_other_base(read_adapter(spec.from_adapter, kind="chat"), source.name, fingerprint(source))
