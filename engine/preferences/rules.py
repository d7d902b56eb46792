"""What a person chooses before judgements become training data; the source of form, flags and help."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from engine.errors import BadInput

Source = Literal["corrections", "votes", "kept", "verdicts"]


class PairRules(BaseModel, extra="forbid", frozen=True):
    """Which judgements are used, who is believed, and what is too little to learn from."""

    sources: list[Source] = Field(
        default=["corrections", "votes", "kept", "verdicts"],
        min_length=1,
        description="What pairs are made of: corrections over what they correct, votes between two replies, kept over "
        "discarded versions, good over bad replies. More sources give more pairs, verdicts the least certain ones.",
    )
    conflicts: Literal["majority", "drop", "weight", "trusted"] = Field(
        default="majority",
        description="When people prefer opposite replies: majority believes more of them and leaves ties out, drop leaves "
        "the pair out, weight is majority and lets a pair count more the larger the lead, trusted believes one person.",
    )
    trusted: str | None = Field(
        default=None,
        description="Who is believed with conflicts set to trusted; what this person has not judged, a majority decides.",
    )
    min_agreement: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the people who judged a pair that must agree with the outcome: higher keeps fewer pairs "
        "and surer ones.",
    )
    min_annotators: int = Field(
        default=1, ge=1, description="People who must have judged a pair: higher keeps fewer pairs and surer ones."
    )
    min_length: int = Field(
        default=1,
        ge=1,
        description="Characters that the shorter reply must have: higher leaves out scraps, and keeps fewer pairs.",
    )
    near_duplicates: float | None = Field(
        default=None,
        ge=0.5,
        le=1,
        description="From which similarity on two pairs are taken for one, with the votes of both: lower merges more; "
        "unset merges only equal ones.",
    )

    @model_validator(mode="after")
    def _check_trusted(self) -> "PairRules":
        if self.conflicts == "trusted" and not self.trusted:
            raise BadInput("Say who is trusted: choose one of the people who judged.")
        return self
