"""A dataset made ready for training: encoded with one model's tokenizer, filtered, split, and kept on disk memory-mapped.

`var/datasets/<name>/prepared/<key>/` holds `train/`, `eval/` (if any row fell there) and `card.json`. The key is a hash of
all that decides the content, so that the same request is answered from disk. The folder appears whole or not at all; it is
made in shards, and a preparation that was killed or stopped goes on after the last whole one.
"""

import gc
import hashlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data import registry, split
from engine.data.batch_encode import BatchEncoder
from engine.data.cleaning.near import NearDuplicates
from engine.data.counts import Counts
from engine.data.folders import locked, resumable
from engine.data.prepared import LEAKS, NEAR_DUPLICATE, REFUSED, Options, Prepared
from engine.data.registry import Card
from engine.data.shards import Shard, Work, encode_shard, remove_notes, seal_shard, shards
from engine.data.tables import finish_table
from engine.data.tokenise import TemplateProblem, fingerprint
from engine.errors import BadInput
from engine.files import read_json, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[int, int], None]
"""Takes the rows done and the rows there are; what it raises stops the preparation, to be taken up again."""

_VERSION = 2
"""Part of the key: raise it when the same request would give other rows than before."""


def prepare(
    name: str,
    tokenizer: "PreTrainedTokenizerBase",
    model: str,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Make a dataset of conversations ready for training, or find that it was made ready before.

    A row goes to the eval split by a hash of its prompt and the seed, so it stays there when rows are added, and rows with
    the same prompt stay together. In a small dataset no row at all may fall to evaluation; if all do, all train.

    Args:
        name: the dataset, or one of its versions.
        tokenizer: the model's.
        model: its name, for the card.
        options: by default those of `Options`.
        progress: called after each shard, and while near duplicates are looked for.

    Raises:
        BadInput: no such dataset, not one of conversations, no row is left, or the tokenizer cannot be used to teach.
    """
    options = options or Options()
    card = registry.card(name)
    if card.kind != "messages":
        raise BadInput("“{name}” holds {kind} rows: only conversations can be prepared.", name=name, kind=card.kind)
    encoder = BatchEncoder(tokenizer, options.completion_only)
    facts = {
        "dataset_sha256": card.content_sha256,
        "tokenizer": fingerprint(tokenizer),
        "options": options.model_dump(mode="json"),
    }
    key = hashlib.sha256(json.dumps([_VERSION, facts], sort_keys=True).encode()).hexdigest()[:16]
    target = registry.prepared_folder(card.name) / key
    with locked(target, wait=math.inf):  # somebody may be preparing the very same
        if not target.exists():
            with resumable(target) as folder:
                if not (folder / "card.json").exists():  # else an earlier attempt was killed while tidying up
                    counts = _make_shards(
                        Work(folder, card, encoder, options, _screen(folder, card, options, progress)), progress
                    )
                    _let_something_train(folder, counts, name)
                    for part in ("train", "eval"):
                        finish_table(folder / part, f"{key}-{part}")
                    about = {**facts, "model": model, "created": time.time(), "version": card.version}
                    counted = {"name": card.name, "rows_in": card.rows, **counts.summary()}
                    write_json(folder / "card.json", {**counted, **about})
                remove_notes(folder)
                (folder / "screened.json").unlink(missing_ok=True)
    return Prepared.model_validate({**read_json(target / "card.json"), "path": target})


def _make_shards(work: Work, progress: Progress | None) -> Counts:
    """Make those that are not there yet: one is gathered, one encoded and one brought to the disk at the same time."""
    total = Counts()
    going: deque[Future[Counts]] = deque()

    def count(counts: Counts) -> None:
        total.add(counts)
        if progress:
            progress(total.rows, work.card.rows)

    with _spared_collector(), ThreadPoolExecutor(1) as encoder, ThreadPoolExecutor(1) as disk:
        for shard in shards(work):
            if isinstance(shard, Shard):
                going.append(disk.submit(seal_shard, work, shard, encoder.submit(encode_shard, work, shard)))
            else:
                count(shard)
            while len(going) > 2:
                count(going.popleft().result())
        while going:
            count(going.popleft().result())
    return total


@contextmanager
def _spared_collector() -> Iterator[None]:
    """Keep the garbage collector from walking all that the libraries hold, again and again: an eighth of the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _screen(folder: Path, card: Card, options: Options, progress: Progress | None) -> dict[int, str]:
    """The rows that a search for near duplicates takes out, with the reason; one pass over all rows before any is encoded."""
    path = folder / "screened.json"
    if path.exists():
        return {int(row): reason for row, reason in read_json(path).items()}

    def look(row: int) -> None:
        if progress and row % 1000 == 0:
            progress(0, card.rows)  # nothing is made yet, but whoever watches may stop it

    screened: dict[int, str] = {}
    if options.dedup == "near":
        near = NearDuplicates(options.similarity, lambda row: split.text_of(card, row))
        for row, text in split.texts(card):
            look(row)
            if near.add(row, text) is not None:
                screened[row] = NEAR_DUPLICATE
    if options.leakage == "drop" and options.split:
        leaks = split.leaking(card, options.split, options.seed, options.similarity, look)
        screened |= dict.fromkeys(leaks, LEAKS)
    write_json(path, screened)
    return screened


def _let_something_train(folder: Path, counts: Counts, name: str) -> None:
    """If every row kept fell to evaluation, as may be in a small dataset, all train.

    Raises:
        BadInput: no row was kept.
    """
    if not counts.train_rows and counts.eval_rows:
        if (folder / "eval").exists():  # an earlier attempt may have been killed just here
            (folder / "eval").rename(folder / "train")
        counts.train_rows, counts.eval_rows = counts.eval_rows, 0
    if counts.train_rows:
        return
    if counts.problem and set(counts.dropped) == {REFUSED}:
        raise TemplateProblem(counts.problem[0], **counts.problem[1])
    raise BadInput(
        "No row of “{name}” is left to train on ({dropped}): allow a greater length, or choose other data.",
        name=name,
        dropped=", ".join(f"{n} {reason}" for reason, n in counts.dropped.items()),
    )
