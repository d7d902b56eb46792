"""A dataset made ready for training: encoded with one model's tokenizer, filtered, split, and kept on disk memory-mapped.

`var/datasets/<name>/prepared/<key>/` holds `train/`, `eval/` (if any row fell there) and `card.json`. The key is a hash of
all that decides the content, so that the same request is answered from disk; the folder appears whole or not at all.
"""

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from engine.data import registry
from engine.data.folders import building, locked
from engine.data.records import Conversation, Message
from engine.data.tables import writing
from engine.data.tokenise import Encoded, TemplateProblem, check_tokenizer, encode, fingerprint
from engine.errors import BadInput
from engine.files import read_json, write_json

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[int, int], None]
"""Takes the rows done and the rows there are."""

TOO_LONG = "too long"
DUPLICATE = "duplicate"
REFUSED = "refused by the chat template"
NOTHING_TRAINED = "nothing to train within the length"

_VERSION = 1
"""Part of the key: raise it when the same request would give other rows than before."""


class Prepared(BaseModel):
    """A prepared dataset. `rows_in` is `rows_kept` and all that was dropped; `rows_kept` is training and eval rows."""

    name: str
    rows_in: int
    rows_kept: int
    dropped: dict[str, int]
    """Rows left out, by reason."""
    tokens: int
    """In the rows kept, prompts included."""
    train_rows: int
    eval_rows: int
    path: Path


@dataclass(frozen=True)
class Options:
    """What a person chooses; see `prepare`."""

    max_length: int
    overlength: Literal["skip", "truncate"]
    dedup: Literal["none", "exact"]
    split: float
    seed: int
    completion_only: bool

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise BadInput("The greatest length must be at least 1 token, not {n}.", n=self.max_length)
        if not 0 <= self.split < 1:
            raise BadInput("The share kept for evaluation must be from 0 to below 1, not {n}.", n=self.split)


def prepare(
    name: str,
    tokenizer: "PreTrainedTokenizerBase",
    model: str,
    max_length: int = 1024,
    overlength: Literal["skip", "truncate"] = "skip",
    dedup: Literal["none", "exact"] = "none",
    split: float = 0.02,
    seed: int = 0,
    completion_only: bool = True,
    progress: Progress | None = None,
) -> Prepared:
    """Make a dataset of conversations ready for training, or find that it was made ready before.

    A row goes to the eval split by a hash of its content and the seed, so it stays there when rows are added. The first
    row always trains. In a small dataset no row at all may fall into the eval split.

    Args:
        name: the dataset.
        tokenizer: the model's.
        model: its name, for the card.
        max_length: in tokens.
        overlength: what happens to longer rows: left out, or cut at the end.
        dedup: `exact` keeps the first of equal conversations.
        split: the share of rows for evaluation, from 0 to below 1.
        seed: of the split.
        completion_only: train on the replies alone.
        progress: called now and then; what it raises stops the preparation and leaves nothing behind.

    Raises:
        BadInput: no such dataset, not one of conversations, no row is left, or the tokenizer cannot be used to teach.
    """
    options = Options(max_length, overlength, dedup, split, seed, completion_only)
    card = registry.card(name)
    if card.kind != "messages":
        raise BadInput("“{name}” holds {kind} rows: only conversations can be prepared.", name=name, kind=card.kind)
    check_tokenizer(tokenizer)
    facts = {"dataset_sha256": card.content_sha256, "tokenizer": fingerprint(tokenizer), "options": asdict(options)}
    target = registry.prepared_folder(name) / _key(facts)
    with locked(target, wait=math.inf):  # somebody may be preparing the very same
        if not target.exists():
            records = islice(registry.iterate(name), card.rows)
            conversations = (record.messages for record in records if isinstance(record, Conversation))
            with building(target) as folder:
                counts = _write(folder, _watched(conversations, card.rows, progress), tokenizer, options)
                _check_kept(counts, name)
                about = {**facts, "model": model, "created": time.time()}
                write_json(folder / "card.json", {"name": name, "rows_in": card.rows, **counts.summary(), **about})
    return Prepared.model_validate({**read_json(target / "card.json"), "path": target})


def load(path: Path) -> "tuple[Dataset, Dataset | None]":
    """The training and the eval rows of a prepared dataset, memory-mapped; None where no row fell to eval."""
    from datasets import Dataset

    evaluation = path / "eval"
    return (
        Dataset.load_from_disk(path / "train"),
        Dataset.load_from_disk(evaluation) if evaluation.exists() else None,
    )


@dataclass
class _Counts:
    tokens: int = 0
    train_rows: int = 0
    eval_rows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    problem: TemplateProblem | None = None

    def summary(self) -> dict[str, Any]:
        return {
            "rows_kept": self.train_rows + self.eval_rows,
            "dropped": dict(self.dropped),
            "tokens": self.tokens,
            "train_rows": self.train_rows,
            "eval_rows": self.eval_rows,
        }


def _write(
    folder: Path, conversations: Iterable[list[Message]], tokenizer: "PreTrainedTokenizerBase", options: Options
) -> _Counts:
    counts = _Counts()
    first = None
    with writing(folder / "train") as train, writing(folder / "eval") as evaluation:
        for digest, row in _kept(conversations, tokenizer, options, counts):
            first = first or digest
            counts.tokens += len(row.input_ids)
            if digest != first and _falls_to_eval(digest, options):
                evaluation(row)
                counts.eval_rows += 1
            else:
                train(row)
                counts.train_rows += 1
    return counts


def _kept(
    conversations: Iterable[list[Message]], tokenizer: "PreTrainedTokenizerBase", options: Options, counts: _Counts
) -> Iterator[tuple[bytes, Encoded]]:
    """The rows that stay, each with the digest of its conversation; counts those that do not."""
    seen: set[bytes] = set()
    for messages in conversations:
        digest = _digest(messages)
        if digest in seen:
            counts.dropped[DUPLICATE] += 1
            continue
        if options.dedup == "exact":
            seen.add(digest)
        try:
            row = _fitted(encode(messages, tokenizer, options.completion_only), options)
        except TemplateProblem as problem:
            counts.problem = problem
            row = REFUSED
        if isinstance(row, str):
            counts.dropped[row] += 1
        else:
            yield digest, row


def _fitted(row: Encoded, options: Options) -> Encoded | str:
    """The row at a length that is allowed, or the reason why it cannot stay."""
    if len(row.input_ids) > options.max_length:
        if options.overlength == "skip":
            return TOO_LONG
        row = Encoded(row.input_ids[: options.max_length], row.labels[: options.max_length])
    return row if row.trains else NOTHING_TRAINED


def _check_kept(counts: _Counts, name: str) -> None:
    if counts.train_rows:
        return
    if counts.problem and set(counts.dropped) == {REFUSED}:
        raise counts.problem
    raise BadInput(
        "No row of “{name}” is left to train on ({dropped}): allow a greater length, or choose other data.",
        name=name,
        dropped=", ".join(f"{n} {reason}" for reason, n in counts.dropped.items()),
    )


def _watched(items: Iterable[Any], total: int, progress: Progress | None) -> Iterator[Any]:
    for done, item in enumerate(items, start=1):
        yield item
        if progress and (done % 100 == 0 or done == total):
            progress(done, total)


def _digest(messages: list[Message]) -> bytes:
    turns = json.dumps([[message.role, message.content] for message in messages])
    return hashlib.blake2b(turns.encode(), digest_size=16).digest()


def _falls_to_eval(digest: bytes, options: Options) -> bool:
    drawn = hashlib.blake2b(digest + str(options.seed).encode(), digest_size=8).digest()
    return int.from_bytes(drawn) < options.split * 2**64


def _key(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([_VERSION, facts], sort_keys=True).encode()).hexdigest()[:16]
