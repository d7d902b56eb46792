"""The shards that a preparation is made in: which rows go into each, and each one encoded and written by itself.

A shard's note is written last and makes it count: an attempt that goes on after a kill makes those without a note. Which
rows are screened out beforehand, and what becomes of the whole, is `engine.data.prepare`'s business.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data import registry, split
from engine.data.batch_encode import Batch, BatchEncoder
from engine.data.counts import Counts
from engine.data.prepared import DUPLICATE, LENGTH_STEP, NOTHING_TRAINED, REFUSED, TOO_LONG, TOO_SHORT, Options
from engine.data.registry import Card
from engine.data.tables import flush_shard, write_shard
from engine.data.tokenise import IGNORED
from engine.files import read_json, write_bytes, write_json

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np

_ROWS = 10_000
_BYTES = 32 << 20
_AT_ONCE = 2000
"""Rows encoded at once: their arrays stay small enough for memory to be used again instead of asked for anew."""
_DIGEST = 8
"""Bytes. Two of ten million different rows have the same digest in one of 300,000 datasets."""


@dataclass(frozen=True)
class Work:
    """One preparation: where it is made, of what, and how."""

    folder: Path
    card: Card
    encoder: BatchEncoder
    options: Options
    screened: dict[int, str]
    """Rows that are left out from the start, with the reason."""


@dataclass(frozen=True)
class Shard:
    """The rows of one shard that are to be encoded."""

    number: int
    rows: list[int]
    chats: list[list[dict[str, str]]]
    evaluates: list[bool]
    """Whether each falls to evaluation."""
    counts: Counts
    """What was left out already."""
    digests: bytes
    """Of all its rows, if duplicates are looked for: what a later shard may have again."""


def shards(work: Work) -> Iterator[Shard | Counts]:
    """All shards in order: what is to be encoded, or the counts of one that an earlier attempt made."""
    size = _rows_a_shard(work)
    seen: set[bytes] = set()
    for number, start in enumerate(range(0, work.card.rows, size)):
        note = _note(work.folder, number)
        if note.exists():
            digests = _digests(work.folder, number).read_bytes()
            seen.update(digests[at : at + _DIGEST] for at in range(0, len(digests), _DIGEST))
            yield Counts.model_validate(read_json(note))
        else:
            yield _gather(work, number, start, start + size, seen)


def encode_shard(work: Work, shard: Shard) -> Counts:
    """Encode one shard and write its rows."""
    import numpy as np

    tables: dict[str, list[tuple[np.ndarray, ...]]] = {"train": [], "eval": []}
    for start in range(0, len(shard.chats), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        batch = work.encoder.encode(shard.chats[part])
        counts, kept, lengths = _fit(batch, work.options, shard.rows[part])
        evaluates = np.array(shard.evaluates[part])
        for table, rows in (("train", kept & ~evaluates), ("eval", kept & evaluates)):
            if rows.any():
                tables[table].append(_cut(batch, np.where(rows, lengths, 0)))
        counts.train_rows, counts.eval_rows = int((kept & ~evaluates).sum()), int((kept & evaluates).sum())
        shard.counts.add(counts)
    for table, parts in tables.items():
        if parts:
            write_shard(work.folder / table, shard.number, *map(np.concatenate, zip(*parts, strict=True)))
    return shard.counts


def seal_shard(work: Work, shard: Shard, encoded: "Future[Counts]") -> Counts:
    """Wait for a shard to be encoded and for its rows to be on the disk itself, then write the note that makes it count."""
    counts = encoded.result()
    for table in ("train", "eval"):
        flush_shard(work.folder / table, shard.number)
    write_bytes(_digests(work.folder, shard.number), shard.digests)
    write_json(_note(work.folder, shard.number), counts.model_dump())
    return counts


def remove_notes(folder: Path) -> None:
    """Remove what only an attempt that goes on needs."""
    for path in folder.glob("shard*"):
        path.unlink()


def _gather(work: Work, number: int, start: int, stop: int, seen: set[bytes]) -> Shard:
    shard = Shard(number, [], [], [], Counts(), b"")
    digests = bytearray()
    dedup, share, seed = work.options.dedup != "none", work.options.split, work.options.seed
    for row, record in enumerate(registry.raw_rows(work.card, start, stop), start):
        messages = record["messages"]
        if dedup:
            digest = _digest(messages)
            digests += digest
            if digest in seen:
                shard.counts.drop(DUPLICATE, row)
                continue
            seen.add(digest)
        if row in work.screened:
            shard.counts.drop(work.screened[row], row)
            continue
        shard.rows.append(row)
        shard.chats.append(messages)
        shard.evaluates.append(share > 0 and split.falls_to_eval(record, share, seed))
    return Shard(number, shard.rows, shard.chats, shard.evaluates, shard.counts, bytes(digests))


def _fit(batch: Batch, options: Options, numbers: list[int]) -> "tuple[Counts, np.ndarray, np.ndarray]":
    """Which rows stay, and how many tokens of each; with the counts, and why the others do not stay."""
    import numpy as np

    counts = Counts()
    full = np.diff(batch.bounds)
    lengths = np.minimum(full, options.max_length)
    begins = np.concatenate([[0], np.cumsum(batch.labels != IGNORED)])
    trained = begins[batch.bounds[:-1] + lengths] - begins[batch.bounds[:-1]]
    refused = np.zeros(len(full), bool)
    refused[list(batch.problems)] = True
    left = np.ones(len(full), bool)
    for reason, takes in (
        (REFUSED, refused),
        (TOO_SHORT, full < options.min_length),
        (TOO_LONG, (full > options.max_length) & (options.overlength == "skip")),
        (NOTHING_TRAINED, trained == 0),
    ):
        for place in np.flatnonzero(takes & left).tolist():
            counts.drop(reason, numbers[place])
        left &= ~takes
    if batch.problems:
        first = next(iter(batch.problems.values()))
        counts.problem = first.sentence, {name: str(value) for name, value in first.values.items()}
    counts.measure(full[~refused].tolist(), LENGTH_STEP)
    counts.tokens, counts.trained_tokens = int(lengths[left].sum()), int(trained[left].sum())
    counts.truncated = int((left & (full > lengths)).sum())
    return counts, left, lengths


def _cut(batch: Batch, lengths: "np.ndarray") -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Of each row its first tokens, as many as said: ids, labels, and the lengths of the rows that have any."""
    import numpy as np

    full = np.diff(batch.bounds)
    if (full == lengths).all():
        return batch.ids, batch.labels, full
    taken = np.arange(len(batch.ids)) - np.repeat(batch.bounds[:-1], full) < np.repeat(lengths, full)
    return batch.ids[taken], batch.labels[taken], lengths[lengths > 0]


def _digest(messages: list[dict[str, str]]) -> bytes:
    """Equal for equal turns: each text has its length before it, so that no two conversations read alike."""
    turns = "".join([f"{turn['role']} {len(turn['content'])} {turn['content']}" for turn in messages])
    return hashlib.blake2b(turns.encode(), digest_size=_DIGEST).digest()


def _rows_a_shard(work: Work) -> int:
    """Written down, so that every attempt cuts alike."""
    path = work.folder / "shards.json"
    if not path.exists():
        average = max(1, registry.lines_size(work.card) // work.card.rows)
        write_json(path, max(100, min(_ROWS, _BYTES // average)))
    return read_json(path)


def _note(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05}.json"


def _digests(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05}.digests"
