"""What a training run is asked to do: typed, checked, and the one source of the form, the flags and their help.

The description of a field says what changes when its value goes up or down; pages translate it, `--help` prints it.
"""

from typing import Any, Literal

from pydantic import Field

from engine.data import registry
from engine.data.prepared import Options
from engine.errors import BadInput
from engine.fields import parse
from engine.training.lora_spec import LoraSpec, check_lora


class SftSpec(LoraSpec):
    """Supervised fine-tuning of a LoRA adapter on conversations."""

    method = "sft"

    overlength: Literal["skip", "truncate"] = Field(
        "skip", description="What happens to longer conversations: left out, or cut at the end."
    )
    completion_only: bool = Field(True, description="Learn the assistant's turns only; off learns the questions too.")
    packing: bool = Field(False, description="Put several short conversations in one row: faster on short ones.")
    batching: Literal["by_length", "random"] = Field(
        "by_length",
        description="by_length puts conversations of like length together, so that little is padded: faster.",
    )

    @property
    def preparation(self) -> Options:
        """How the dataset is tokenised for it."""
        return Options(
            max_length=self.max_length,
            overlength=self.overlength,
            split=self.eval_split,
            seed=self.seed,
            completion_only=self.completion_only,
        )


def parse_spec(values: dict[str, Any]) -> SftSpec:
    """A spec from a form, flags or a preset.

    Raises:
        BadInput: naming the first field that is wrong.
    """
    return parse(SftSpec, values)


def check_spec(spec: SftSpec) -> None:
    """Refuse now what would fail later: an unknown model, dataset or adapter, a name that is taken.

    Raises:
        BadInput: with what to do.
    """
    check_lora(spec)
    card = registry.card(spec.dataset)
    if card.kind != "messages":
        raise BadInput(
            "The dataset “{name}” holds {kind} rows; this training takes conversations.",
            name=spec.dataset,
            kind=card.kind,
        )
