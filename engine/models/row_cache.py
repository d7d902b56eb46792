"""Keys and values of many requests in one cache, a row each, so that one forward pass computes the next token of them all.

Every row begins at place 0 and has a length of its own; the rows in use are always the first ones. For models whose every
layer attends to everything before it; `engine.models.batch` decides which those are.
"""

from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache

STEP = 64
"""Lengths are made room for in multiples of so many tokens."""


class RowCache(Cache):
    """Fill rows with `add`, then before each forward pass of one token a row call `begin`."""

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.lengths: list[int] = []
        """Tokens in each row in use."""
        self._kept: list[list[torch.Tensor]] = []  # keys and values of each layer, [slots, heads, capacity, width]
        self._longest = 0
        self._places: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = {}  # row and place of each new token

    @torch.inference_mode()
    def add(self, prompts: DynamicCache, lengths: list[int]) -> None:
        """Take in rows that a model has just read.

        Args:
            prompts: their own cache, padded on the right.
            lengths: tokens of each without the padding.
        """
        rows, longest = len(self.lengths), max(lengths)
        layers: Any = prompts  # it is typed as if one could be empty
        read = [pair[:2] for pair in layers]
        if not self._kept:
            self._kept = [[tensor[:0] for tensor in layer] for layer in read]
        self._make_room(rows + len(lengths), longest)
        for kept, layer in zip(self._kept, read, strict=True):
            for mine, new in zip(kept, layer, strict=True):
                mine[rows : rows + len(lengths), :, :longest] = new[:, :, :longest]
        self.lengths += lengths

    @torch.inference_mode()
    def remove(self, row: int) -> None:
        """End a row; the last one takes its place."""
        length = self.lengths.pop()
        if row == len(self.lengths):
            if not self.lengths:
                self._kept = []  # the memory is free until the next one
            return
        self.lengths[row] = length
        for tensor in (tensor for kept in self._kept for tensor in kept):
            tensor[row, :, :length] = tensor[len(self.lengths), :, :length]

    @torch.inference_mode()
    def begin(self, device: "torch.device") -> tuple[torch.Tensor, torch.Tensor]:
        """Make room for one more token in every row.

        Returns:
            Its place in each row, `[rows, 1]`, and the mask that goes with it, `[rows, 1, 1, longest]`, to be added.
        """
        places = torch.tensor(self.lengths, device=device)
        self.lengths = [length + 1 for length in self.lengths]
        self._longest = max(self.lengths)
        self._make_room(len(self.lengths), self._longest)
        self._places = {device: (torch.arange(len(places), device=device), places)}
        dtype = self._kept[0][0].dtype
        hidden = torch.arange(self._longest, device=device) > places[:, None]
        mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, torch.finfo(dtype).min)
        return places[:, None], mask[:, None, None]

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any):
        """For the model: keep the new token of every row, give all there are."""
        keys, values = self._kept[layer_idx]
        if keys.device not in self._places:  # layers may be spread over devices
            first = next(iter(self._places.values()))
            self._places[keys.device] = (first[0].to(keys.device), first[1].to(keys.device))
        rows, places = self._places[keys.device]
        keys[rows, :, places] = key_states[:, :, 0]
        values[rows, :, places] = value_states[:, :, 0]
        return keys[: len(rows), :, : self._longest], values[: len(rows), :, : self._longest]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """For the model: tokens before this pass, of the longest row."""
        return max(self._longest - 1, 0)

    def _make_room(self, slots: int, capacity: int) -> None:
        """Grow if need be. Zeros, as what was never written is read too, with no weight."""
        have, _, length, _ = self._kept[0][0].shape
        if slots <= have and capacity <= length:
            return
        slots = max(have, slots if slots <= have else slots + slots // 4)
        capacity = length if capacity <= length else -(-(capacity + capacity // 4) // STEP) * STEP
        rows = len(self.lengths)
        for kept in self._kept:
            for which, old in enumerate(kept):
                kept[which] = old.new_zeros(slots, old.shape[1], capacity, old.shape[3])
                kept[which][:rows, :, :length] = old[:rows]
