"""What a comparison of two adapters is asked to do: the one source of its flags, their help and the run's `spec.json`."""

from pydantic import BaseModel, ConfigDict, Field

from engine.adapters.store import Adapter, read_adapter
from engine.data import registry
from engine.errors import BadInput
from engine.models.adapters import refuse_other_base
from engine.models.catalog import fingerprint, resolve
from engine.runs import Run, find_run
from engine.training.preference_data import is_frozen
from engine.training.rewards import check_rewards


class WinRateOptions(BaseModel):
    """How an adapter is compared with what was there before."""

    model_config = ConfigDict(extra="forbid")

    against: str | None = Field(
        default=None, description="The adapter to compare with; by default the one it started from, else the base."
    )
    reward: list[str] = Field(
        default=[],
        description="What judges: a reward adapter, or a rule such as json or length:200; without one only preferences "
        "are counted.",
    )
    dataset: str | None = Field(
        default=None,
        description="Where the prompts come from: by default those kept aside when the adapter was trained.",
    )
    prompts: int = Field(
        default=40, ge=1, le=5000, description="Prompts answered: more give surer figures, and take longer."
    )
    max_new_tokens: int = Field(
        default=96, ge=1, le=32768, description="Tokens of an answer at most: too few cut long answers short."
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 takes the likeliest words; higher draws them.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Which prompts are taken, and how words are drawn.")


class WinRateSpec(WinRateOptions):
    """An adapter compared with another, or with the base."""

    adapter: str = Field(description="The new adapter.")


def check_win_rate(spec: WinRateSpec) -> None:
    """Refuse now what would fail later.

    Raises:
        BadInput: with what to do.
    """
    adapter = read_adapter(spec.adapter, kind="chat")
    source = resolve(adapter.card.base_model)
    refuse_other_base(adapter, source.name, fingerprint(source))
    before = before_of(spec, adapter)
    if before:
        refuse_other_base(read_adapter(before, kind="chat"), source.name, fingerprint(source))
    check_rewards(spec.reward, source.name)
    if spec.dataset:
        registry.card(spec.dataset)
    elif run_of(adapter) is None:
        raise BadInput(
            "It is not known which prompts “{adapter}” was not trained on: choose a dataset of others.",
            adapter=adapter.name,
        )


def before_of(spec: WinRateSpec, adapter: Adapter) -> str | None:
    """The adapter that the new one is compared with; None for the base."""
    return spec.against or adapter.card.spec.get("from_adapter")


def run_of(adapter: Adapter) -> Run | None:
    """The run that trained it, if its frozen rows are still there."""
    run = find_run(adapter.card.run)
    return run if run and is_frozen(run) else None
