"""The rows that a training on preferences learns from, frozen in its run directory: `data/train.jsonl` and `data/eval.jsonl`.

Written once, before the first step; a resume and everything that asks later what was learnt reads these files. A prompt is
on one side only. Tokenises nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data import registry
from engine.errors import BadInput
from engine.files import read_jsonl, write_jsonl
from engine.preferences.datasets import split_pairs
from engine.runs import Run
from engine.training.pinning import pinned
from engine.training.prompts import Prompt, prompt_of, watched
from engine.training.rlhf_specs import RlhfSpec

if TYPE_CHECKING:
    from datasets import Dataset

Row = dict[str, Any]


@dataclass(frozen=True)
class Frozen:
    """The rows of a run."""

    train: list[Row]
    evaluation: list[Row]
    """May be empty."""

    @property
    def feedback(self) -> list[int]:
        """Numbers of the judgements that the training rows were made of."""
        return sorted({number for row in self.train for number in row.get("source", {}).get("feedback", [])})

    def prompts(self, spec: RlhfSpec) -> list[Prompt]:
        """The prompts whose answers are watched, those kept aside before others."""
        return watched(spec, [*self.evaluation, *self.train])


def freeze(spec: RlhfSpec, run: Run) -> Frozen:
    """The run's rows, written if they are not yet.

    Raises:
        BadInput: no row is left to train on.
    """
    if not is_frozen(run):
        rows = list(registry.raw_rows(registry.card(pinned(spec.dataset, run))))
        train, evaluation = split_pairs(rows, spec.eval_split, spec.seed)
        if not train:  # in a small dataset every prompt may fall to evaluation; then all train
            train, evaluation = evaluation, []
        if not train:
            raise BadInput("There is no row to train on: build or import some pairs first.")
        _file(run, "train").parent.mkdir(exist_ok=True)
        write_jsonl(_file(run, "eval"), evaluation)
        write_jsonl(_file(run, "train"), train)
    return read_frozen(run)


def read_frozen(run: Run) -> Frozen:
    """The rows of a run that has begun; none where it has not."""
    return Frozen(list(read_jsonl(_file(run, "train"))), read_held_out(run))


def read_held_out(run: Run) -> list[Row]:
    """Those of its rows that it does not train on."""
    return list(read_jsonl(_file(run, "eval")))


def is_frozen(run: Run) -> bool:
    """Whether a run has its rows."""
    return _file(run, "train").exists()


def pairs(rows: list[Row]) -> "Dataset | None":
    """Rows of two replies as TRL takes them; one that counts more stands there more often."""
    return _dataset([_only(row, "prompt", "chosen", "rejected") for row in rows for _ in range(_copies(row))])


def judged(rows: list[Row]) -> "Dataset | None":
    """Rows of one judged reply as TRL takes them."""
    return _dataset([_only(row, "prompt", "completion", "label") for row in rows])


def prompts(rows: list[Row]) -> "Dataset | None":
    """Prompts alone, each once."""
    seen = {json.dumps(prompt_of(row)): prompt_of(row) for row in rows}
    return _dataset([{"prompt": prompt} for prompt in seen.values()])


def _copies(row: Row) -> int:
    """How often a pair counts: as often as more people preferred it than not, where its conflicts were weighed."""
    source = row.get("source", {})
    votes = source.get("votes", {})
    return max(1, votes.get("for", 1) - votes.get("against", 0)) if "weight" in source else 1


def _only(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def _dataset(rows: list[Row]) -> "Dataset | None":
    from datasets import Dataset

    return Dataset.from_list(rows) if rows else None


def _file(run: Run, part: str) -> Path:
    return run.path / "data" / f"{part}.jsonl"
