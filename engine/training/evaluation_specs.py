"""What an evaluation is asked to do: the one source of its flags, their help and the run's `spec.json`."""

from pydantic import BaseModel, ConfigDict, Field

from engine.adapters.store import Adapter, read_adapter
from engine.data import registry
from engine.errors import BadInput
from engine.models.adapters import refuse_other_base
from engine.models.catalog import fingerprint, resolve


class EvaluateOptions(BaseModel):
    """How an adapter is measured."""

    model_config = ConfigDict(extra="forbid")

    dataset: str | None = Field(
        default=None,
        description="Conversations to measure on: by default those kept aside when the adapter was trained; of another dataset, all.",
    )
    limit: int = Field(default=500, ge=1, description="Rows measured at most: more give surer figures and take longer.")
    answers: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Rows that base and adapter both answer: more give surer scores and take longer.",
    )
    max_new_tokens: int = Field(
        default=128, ge=1, le=32768, description="Tokens of an answer at most: too few cut long answers short."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Which rows are taken where there are more than the limit."
    )


class EvaluateSpec(EvaluateOptions):
    """An adapter measured against its base."""

    adapter: str = Field(description="The adapter to measure.")


def check_evaluation(spec: EvaluateSpec) -> None:
    """Refuse now what would fail later.

    Raises:
        BadInput: with what to do.
    """
    adapter = read_adapter(spec.adapter, kind="chat")
    source = resolve(adapter.card.base_model)
    refuse_other_base(adapter, source.name, fingerprint(source))
    card = registry.card(measured_on(spec, adapter))
    if card.kind != "messages":
        raise BadInput(
            "The dataset “{name}” holds {kind} rows: an adapter is measured on conversations.",
            name=card.name,
            kind=card.kind,
        )


def measured_on(spec: EvaluateSpec, adapter: Adapter) -> str:
    """The dataset that the spec means, if need be in the version that the adapter was trained on.

    Raises:
        BadInput: none is given, and none is known.
    """
    trained_on = adapter.card.dataset
    if spec.dataset:
        return spec.dataset
    if not trained_on:
        raise BadInput(
            "It is not known what “{adapter}” was trained on: choose a dataset to measure it on.", adapter=adapter.name
        )
    name, version = registry.split_reference(trained_on)
    if version is not None:
        return trained_on
    return next(
        (card.reference for card in registry.versions(name) if card.content_sha256 == adapter.card.dataset_hash), name
    )
