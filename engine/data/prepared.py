"""What a person chooses when a dataset is prepared, and what comes of it: the folder that training reads.

Making it is `engine.data.prepare`'s business.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field, model_validator

from engine.data import registry
from engine.errors import BadInput
from engine.files import read_json

if TYPE_CHECKING:
    from datasets import Dataset

TOO_LONG = "too long"
TOO_SHORT = "too short"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near duplicate"
LEAKS = "nearly the same as a training row"
REFUSED = "refused by the chat template"
NOTHING_TRAINED = "nothing to train within the length"

LENGTH_STEP = 64
"""Tokens a bar of the length histogram."""


class Options(BaseModel, extra="forbid", frozen=True):
    """What a person chooses."""

    max_length: int = Field(default=1024, ge=1, description="In tokens; longer rows take more memory to train.")
    overlength: Literal["skip", "truncate"] = Field(
        default="skip", description="What happens to longer rows: left out, or cut at the end."
    )
    min_length: int = Field(default=0, ge=0, description="In tokens, prompt included; shorter rows are left out.")
    dedup: Literal["none", "exact", "near"] = Field(
        default="none", description="Keep the first of equal rows; near also of rows that differ in a few words."
    )
    similarity: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="From which likeness on rows count as near duplicates: lower takes more rows out.",
    )
    split: float = Field(
        default=0.02, ge=0, lt=1, description="Share of the prompts kept aside to measure with; 0 for none."
    )
    leakage: Literal["ignore", "drop"] = Field(
        default="ignore", description="Drop leaves out rows kept aside to measure with that are nearly a training row."
    )
    completion_only: bool = Field(
        default=True, description="Train on the replies alone; off trains on the questions too."
    )
    seed: int = Field(default=0, description="Another one keeps other prompts aside.")

    @model_validator(mode="after")
    def _check(self) -> "Options":
        if self.min_length > self.max_length:
            raise BadInput("The least length must not be more than the greatest length.")
        return self


class Prepared(BaseModel):
    """A prepared dataset. `rows_in` is `rows_kept` and all that was dropped; `rows_kept` is training and eval rows."""

    name: str
    version: int
    dataset_sha256: str
    rows_in: int
    rows_kept: int
    dropped: dict[str, int]
    """Rows left out, by reason."""
    examples: dict[str, list[int]]
    """The numbers, from 1, of some rows left out, by reason."""
    tokens: int
    """In the rows kept, prompts included."""
    trained_tokens: int
    """Of these, the ones that are learnt."""
    truncated: int
    """Rows kept whose end was cut off."""
    lengths: list[int]
    """How many rows, before any was skipped or cut for its length, have up to 64, up to 128, … tokens."""
    train_rows: int
    eval_rows: int
    model: str
    options: Options
    path: Path


def list_prepared(name: str) -> list[Prepared]:
    """What was prepared from a dataset, newest first."""
    folders = [path for path in registry.prepared_folder(name).iterdir() if (path / "card.json").exists()]
    cards = [(read_json(path / "card.json"), path) for path in folders if not path.name.startswith(".")]
    made = [(about["created"], {**about, "path": path}) for about, path in cards if "lengths" in about]
    return [Prepared.model_validate(about) for _, about in sorted(made, key=lambda pair: pair[0], reverse=True)]


def load(path: Path) -> "tuple[Dataset, Dataset | None]":
    """The training and the eval rows of a prepared dataset, memory-mapped; None where no row fell to eval."""
    from datasets import Dataset

    evaluation = path / "eval"
    return (
        Dataset.load_from_disk(path / "train"),
        Dataset.load_from_disk(evaluation) if evaluation.exists() else None,
    )
