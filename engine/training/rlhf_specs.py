"""What a training on preferences is asked to do: one spec a method, typed and checked, the source of form, flags and help.

The defaults learn something visible from 200 rows in 40 steps on the starter; TRL's learning rates of 1e-6 are meant for
training all weights and teach an adapter next to nothing.
"""

from typing import Literal

from pydantic import Field, model_validator

from engine.data import registry
from engine.errors import BadInput
from engine.training.lora_spec import LearningRate, LoraSpec, Warmup, check_lora
from engine.training.rewards import check_judge, check_rewards, reward_adapters

DpoLoss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sigmoid_norm",
]
_EXO_LEAST = 1e-3
"""Label smoothing that EXO needs at least (https://arxiv.org/abs/2402.00856)."""


class RlhfSpec(LoraSpec):
    """What all methods have in common."""

    learning_rate: LearningRate = 2e-4
    warmup: Warmup = 0.1
    epochs: float = Field(1.0, gt=0, description="How often each row is seen; counts only if max_steps is not set.")
    eval_split: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the prompts kept aside to measure with: higher measures better, and trains on fewer.",
    )

    @property
    def judges(self) -> list[str]:
        """The reward adapters that it asks."""
        return []

    @property
    def adapters(self) -> list[str]:
        """The adapters in the store that it reads."""
        return [*super().adapters, *self.judges]


class RewardSpec(RlhfSpec):
    """A reward model: an adapter that gives a reply a number, higher for what people prefer."""

    method = "reward"

    center_rewards: float = Field(
        0.01, ge=0, description="Pull of the rewards towards zero: higher keeps them nearer to it, and comparable."
    )


class PolicySpec(RlhfSpec):
    """A chat model that learns from preferences, kept near the model it starts from."""

    beta: float = Field(
        0.1, ge=0, description="Higher stays nearer to the model it starts from; lower follows the preferences further."
    )
    compare: bool = Field(
        True, description="Afterwards answer prompts kept aside with the old and the new model, and count who wins."
    )
    judge: str | None = Field(
        None, description="The reward adapter that judges this comparison; without one, only preferences are counted."
    )

    @property
    def judges(self) -> list[str]:
        """The reward adapters that it asks."""
        return [self.judge] if self.judge else []


class DpoSpec(PolicySpec):
    """Direct preference optimisation: chosen over rejected replies, with no reward model."""

    method = "dpo"

    loss_type: DpoLoss = Field(
        "sigmoid", description="The loss; sigmoid is DPO as published, the others are TRL's variants of it."
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="Share of the pairs taken to be judged wrongly: higher trusts each pair less."
    )
    sft_weight: float = Field(
        0.2,
        ge=0,
        le=10,
        description="Weight of learning the chosen replies as they are: higher keeps them from becoming less likely; 0 is "
        "DPO as published.",
    )
    precompute_reference: bool = Field(
        False,
        description="Compute the reference's log-probabilities once before training: faster when there are several epochs.",
    )

    @model_validator(mode="after")
    def _exo_needs_smoothing(self) -> "DpoSpec":
        if self.loss_type == "exo_pair" and self.label_smoothing < _EXO_LEAST:
            raise BadInput("The loss exo_pair needs a label_smoothing of at least 0.001.")
        return self


class KtoSpec(PolicySpec):
    """Kahneman-Tversky optimisation: replies that were found good or bad, with no pairs."""

    method = "kto"

    learning_rate: LearningRate = 5e-4
    batch_size: int = Field(4, ge=2, description="Rows per device and pass: higher needs more memory.")
    loss_type: Literal["kto", "apo_zero_unpaired"] = Field(
        "kto", description="The loss; kto is as published, apo_zero_unpaired needs no estimate of the divergence."
    )
    desirable_weight: float = Field(
        1.0, gt=0, description="Weight of the good replies: higher where they are few beside the bad ones."
    )
    undesirable_weight: float = Field(
        1.0, gt=0, description="Weight of the bad replies: higher where they are few beside the good ones."
    )


class RlooSpec(PolicySpec):
    """Online learning: the model answers, a reward judges, and what is better than its siblings becomes likelier."""

    method = "rloo"

    reward: list[str] = Field(
        [],
        description="What judges: a reward adapter, or a rule such as length:200, json, keyword:WORD, regex:PATTERN or "
        "classifier:MODEL=LABEL; with @WEIGHT at the end several are added up.",
    )
    beta: float = Field(
        0.05, ge=0, description="Higher stays nearer to the model it starts from; lower follows the reward further."
    )
    batch_size: int = Field(8, ge=2, description="Replies per device and pass: higher needs more memory.")
    num_generations: int = Field(
        4, ge=2, description="Replies to each prompt, compared among themselves: more judge surer and take longer."
    )
    max_new_tokens: int = Field(32, ge=1, le=32768, description="Tokens of a reply: more take longer.")
    temperature: float = Field(
        1.0, gt=0, le=2, description="Higher tries more different replies; lower learns from fewer mistakes."
    )

    @property
    def judges(self) -> list[str]:
        """The reward adapters that it asks."""
        return [*dict.fromkeys([*super().judges, *reward_adapters(self.reward)])]

    @model_validator(mode="after")
    def _groups_are_whole(self) -> "RlooSpec":
        if not self.reward:
            raise BadInput("RLOO needs a reward: name a reward adapter or a rule, such as length:200 or json.")
        together = self.batch_size * self.grad_accum * self.world_size
        if together % self.num_generations or (self.batch_size * self.world_size) % self.num_generations:
            raise BadInput(
                "The replies of a pass over all processes ({replies}) must be a multiple of num_generations ({each}).",
                replies=self.batch_size * self.world_size,
                each=self.num_generations,
            )
        return self


SPECS: dict[str, type[RlhfSpec]] = {spec.method: spec for spec in (RewardSpec, DpoSpec, KtoSpec, RlooSpec)}
"""The methods, as they are called on the command line and in a run's id."""
KINDS = {"reward": "preference", "dpo": "preference", "kto": "unpaired"}
"""The rows that a method learns from; RLOO takes the prompts of any."""


def check_rlhf(spec: RlhfSpec) -> None:
    """Refuse now what would fail later.

    Raises:
        BadInput: with what to do.
    """
    check_lora(spec)
    card = registry.card(spec.dataset)
    wanted = KINDS.get(spec.method, card.kind)
    if card.kind != wanted:
        raise BadInput(
            "The dataset “{name}” holds {kind} rows, and {method} learns from {wanted} rows: build or import such a one.",
            name=card.name,
            kind=card.kind,
            method=spec.method.upper(),
            wanted=wanted,
        )
    if isinstance(spec, RlooSpec):
        check_rewards(spec.reward, spec.model)
    if isinstance(spec, PolicySpec) and spec.judge:
        check_judge(spec.judge, spec.model)
