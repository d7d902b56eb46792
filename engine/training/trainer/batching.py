"""Batches of conversations of like length, so that little is padded; the same seed and epoch give the same batches."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import Sampler
from trl.trainer.sft_trainer import SFTTrainer

from engine.training.rows import lengths
from engine.training.trainer.on_cpu import speed_up

MEGABATCH = 50
"""Batches that are sorted among themselves, the value of transformers' LengthGroupedSampler: the rest stays in random order."""


class ByLength(Sampler[int]):
    """The order of a training: shuffled, then sorted by length within stretches of some fifty batches, these in random order.

    Differs from transformers' `LengthGroupedSampler` in two points: its randomness is its own, so that a resumed run meets
    the same order, and the batches of a stretch are shuffled, so that lengths do not fall over and over.

    Args:
        lengths: tokens of each conversation.
        batch: conversations that one optimizer step sees, over all processes.
        seed: of the run.
        epoch: says which epoch begins; asked, as accelerate does not pass `set_epoch` on through all its wrappers.
    """

    def __init__(self, lengths: list[int], batch: int, seed: int, epoch: Callable[[], int]):
        self._lengths = torch.tensor(lengths)
        self._batch = batch
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch())
        order = torch.randperm(len(self), generator=random)
        for stretch in order.split(self._batch * MEGABATCH):
            longest_first = stretch[self._lengths[stretch].argsort(descending=True, stable=True)]
            batches = list(longest_first.split(self._batch))
            whole = len(batches) - (len(batches[-1]) < self._batch)  # a last one that is not full stays last
            for number in torch.randperm(whole, generator=random).tolist() + list(range(whole, len(batches))):
                yield from batches[number].tolist()


class SftTrainer(SFTTrainer):
    """TRL's trainer with our batches and, on CPUs, our head and LoRA layers.

    Args:
        by_length: `ByLength`, or the trainer's own order.
        more: what TRL's takes.
    """

    def __init__(self, *, by_length: bool, **more: Any):
        self._by_length = by_length
        super().__init__(**more)
        speed_up(self)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        args: Any = self.args
        if not self._by_length or args.packing:  # packed rows are all full
            return super()._get_train_sampler(train_dataset)
        rows: Any = train_dataset if train_dataset is not None else self.train_dataset
        batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return ByLength(lengths(rows), batch, args.seed, self._epoch)

    def _epoch(self) -> int:
        # a fraction within an epoch; at its end a whole number, but for what floating point makes of it
        return int((self.state.epoch or 0.0) + 1e-6)
