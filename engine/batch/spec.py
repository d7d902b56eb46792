"""What a batch is asked to do: the one source of its flags, their help and the run's `spec.json`. Plain data."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from engine.models.request import Sampling

BASE = "base"
"""In the place of an adapter to compare with: the model without one."""

AUTO_ROWS = 64
"""Rows in flight for each GPU where the spec leaves it open: enough that the scheduler always has some to choose from."""


class BatchOptions(BaseModel):
    """All but the file: what the command has flags for."""

    model_config = ConfigDict(extra="forbid")

    prompt_template: str | None = Field(
        default=None,
        description="What the model is asked in each row: {column} stands for the row's cell, {{ and }} for braces.",
    )
    system: str | None = Field(default=None, description="System prompt; a template too.")
    messages_column: str | None = Field(
        default=None,
        description="The column that holds whole conversations, as JSON lists of messages, in place of a template.",
    )
    model: str | None = Field(default=None, description="By default the studio's model.")
    adapter: str | None = Field(default=None, description="A chat adapter in lora_store/; by default the base.")
    adapter_b: str | None = Field(
        default=None,
        description="A second adapter that answers the same rows, for the column reply_b; “base” is the model without one.",
    )
    max_new_tokens: int = Field(
        default=256, ge=1, le=32768, description="Tokens of a reply at most: too few cut long replies short."
    )
    temperature: float = Field(
        default=0.0, ge=0, le=5, description="0 takes the likeliest token every time; higher is more varied."
    )
    top_p: float = Field(
        default=0.9, gt=0, le=1, description="Sample from the likeliest tokens that make up this share."
    )
    top_k: int = Field(default=0, ge=0, description="Sample from so many likeliest tokens; 0 considers all.")
    repetition_penalty: float = Field(
        default=1.0, gt=0, le=5, description="Above 1, tokens that came before become less likely."
    )
    stop: list[str] = Field(default=[], max_length=16, description="Texts that end a reply; they are not part of it.")
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Each row's own seed is made of this and the row's number."
    )
    batch_size: str = Field(
        default="auto",
        pattern=r"^(auto|[1-9]\d{0,3})$",
        coerce_numbers_to_str=True,
        description="Rows in flight at most, a number or auto: more keep the model busier and take more memory.",
    )
    gpus: list[int] = Field(
        default=[],
        description="GPUs by number, such as 0 1: a copy of the model on each shares the rows. By default one that is free.",
    )
    json_mode: bool = Field(
        default=False, description="A reply must be JSON, and only that is kept; otherwise it is asked for again."
    )
    json_schema: str | None = Field(
        default=None, description="A JSON schema that replies must follow, as text or a file; asks for JSON mode."
    )
    json_retries: int = Field(
        default=2,
        ge=0,
        le=20,
        description="How often a row whose reply is no such JSON is asked again, each time with another seed.",
    )
    reference: str | None = Field(
        default=None,
        description="The column with right answers: replies are scored against it (exact match, BLEU, ROUGE).",
    )
    judge: str | None = Field(
        default=None, description="A reward adapter that judges each reply, for the column reward."
    )


class BatchSpec(BatchOptions):
    """A file and what to do with its rows. `engine.batch.prompts.check` says what is wrong with one."""

    kind: ClassVar = "batch"
    file: Path
    """CSV, TSV, JSON lines, a JSON array, XLSX or Parquet."""
    out: Path | None = None
    """Where the final file goes; by its ending .csv, .tsv, .jsonl, .xlsx or .parquet. None leaves the results in the run
    directory, whence `engine.batch.writing.write_results` makes files of them."""
    uploads: Path | None = None
    """A folder with a copy of the file made for this run alone: it is moved into the run directory."""

    @property
    def sampling(self) -> Sampling:
        """How tokens are chosen; the seed is each row's own."""
        names = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty")
        stop = [text for text in self.stop if text]
        return Sampling.model_validate({"stop": stop, **{name: getattr(self, name) for name in names}})

    @property
    def sides(self) -> dict[str, str | None]:
        """The columns of replies, and the adapter that writes each; None is the base."""
        if self.adapter_b is None:
            return {"reply": self.adapter}
        return {"reply": self.adapter, "reply_b": None if self.adapter_b == BASE else self.adapter_b}

    @property
    def rewards(self) -> dict[str, str]:
        """For each column of replies the column of the judge's rewards; empty without a judge."""
        return {column: column.replace("reply", "reward") for column in self.sides} if self.judge else {}

    @property
    def width(self) -> int:
        """Rows in flight at most."""
        return AUTO_ROWS * max(1, len(self.gpus)) if self.batch_size == "auto" else int(self.batch_size)

    @property
    def wants_json(self) -> bool:
        """Whether replies must be JSON."""
        return self.json_mode or self.json_schema is not None
