"""Requests that are decoded together: new ones are read in, then each step computes one token of every one of them.

`RowBatch` does it in one forward pass on a shared cache; `LoneBatch` is for models that cannot do that: one pass a request,
on the model's own cache. Neither decides who comes in, nor ends a request by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from engine.models.decode import Decoding
from engine.models.loader import device_of
from engine.models.sampling import choose
from engine.models.schedule import Job

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Pieces = list[tuple[Job, str]]
"""Requests with the text that each has got just now, which may be empty."""


class Batch(Protocol):
    """Of either kind."""

    @property
    def jobs(self) -> list[Job]:
        """Those that are in it."""
        ...

    def read(self, jobs: list[Job]) -> Pieces:
        """Take new requests in."""
        ...

    def step(self) -> Pieces:
        """Compute one token of each."""
        ...

    def drop(self, job: Job) -> None:
        """Let one go."""
        ...


class LoneBatch:
    """One forward pass a request, on a cache of the model's own kind.

    Args:
        model: in eval mode.
        use: makes the model answer with the adapter of a slot.
    """

    def __init__(self, model: "PreTrainedModel", use: Callable[[str | None], None]):
        self._model = model
        self._use = use
        self._decodings: dict[Job, Decoding] = {}

    @property
    def jobs(self) -> list[Job]:
        """See `Batch`."""
        return list(self._decodings)

    def read(self, jobs: list[Job]) -> Pieces:
        """See `Batch`."""
        self._decodings.update({job: Decoding(self._model, job.generation) for job in jobs})
        return []

    def step(self) -> Pieces:
        """See `Batch`."""
        pieces: Pieces = []
        for job, decoding in self._decodings.items():
            self._use(job.slot)
            pieces.append((job, decoding.step()))
        return pieces

    def drop(self, job: Job) -> None:
        """See `Batch`."""
        self._decodings.pop(job, None)


@dataclass
class _Long:
    """A prompt that is read in several steps."""

    job: Job
    cache: Any
    read: int = 0


@dataclass
class RowBatch:
    """All requests in one forward pass, a row each."""

    model: "PreTrainedModel"
    """In eval mode; `engine.models.probe` says whether it is fit for this."""
    mix: Callable[[list[str | None]], None]
    """Makes each row of the next forward passes answer with the adapter of its slot."""
    chunk: int
    """Most prompt tokens that are read in one pass."""
    _rows: list[Job] = field(default_factory=list)
    _long: list[_Long] = field(default_factory=list)

    def __post_init__(self) -> None:
        from engine.models.row_cache import RowCache

        self._cache = RowCache()
        self._device = device_of(self.model)

    @property
    def jobs(self) -> list[Job]:
        """See `Batch`."""
        return [*self._rows, *(long.job for long in self._long)]

    def read(self, jobs: list[Job]) -> Pieces:
        """See `Batch`. Prompts of like length go together; a long one is begun, and read on in the next steps."""
        from transformers import DynamicCache

        pieces: Pieces = []
        group: list[Job] = []
        for job in sorted(jobs, key=lambda job: len(job.generation.ids)):
            length = len(job.generation.ids)
            if length > self.chunk:
                self._long.append(_Long(job, DynamicCache(config=self.model.config)))
                continue
            if length * (len(group) + 1) > self.chunk:
                pieces += self._read_together(group)
                group = []
            group.append(job)
        return pieces + (self._read_together(group) if group else [])

    def step(self) -> Pieces:
        """See `Batch`; a long prompt gets one chunk further."""
        pieces = self._step_rows() if self._rows else []
        return pieces + (self._read_on(self._long[0]) if self._long else [])

    def drop(self, job: Job) -> None:
        """See `Batch`."""
        if job in self._rows:
            place = self._rows.index(job)
            last = self._rows.pop()
            if last is not job:
                self._rows[place] = last
            self._cache.remove(place)
        self._long = [long for long in self._long if long.job is not job]

    def _step_rows(self) -> Pieces:
        import torch

        self.mix([job.slot for job in self._rows])
        with torch.inference_mode():
            places, mask = self._cache.begin(self._device)
            ids = torch.tensor([[job.generation.ids[-1]] for job in self._rows], device=self._device)
            output = self.model(
                input_ids=ids,
                position_ids=places,
                attention_mask=mask,
                past_key_values=self._cache,
                use_cache=True,
            )
            return _accept(output.logits[:, -1], self._rows)

    def _read_together(self, jobs: list[Job]) -> Pieces:
        from transformers import DynamicCache

        prompts = [job.generation.ids for job in jobs]
        cache = DynamicCache(config=self.model.config)
        logits = self._forward(jobs, prompts, cache)
        return self._take_in(jobs, cache, logits)

    def _read_on(self, long: _Long) -> Pieces:
        ids = long.job.generation.ids
        chunk = ids[long.read : long.read + self.chunk]
        logits = self._forward([long.job], [chunk], long.cache)
        long.read += len(chunk)
        if long.read < len(ids):
            return []
        self._long.remove(long)
        return self._take_in([long.job], long.cache, logits)

    def _forward(self, jobs: list[Job], prompts: list[list[int]], cache: Any) -> "torch.Tensor":
        """Logits of the last token of each prompt. Padding comes last, where no token looks at it."""
        import torch

        self.mix([job.slot for job in jobs])
        longest = max(map(len, prompts))
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in prompts], device=self._device)
        last = torch.tensor([len(ids) - 1 for ids in prompts])
        with torch.inference_mode(), _only(self.model, last):
            logits = self.model(input_ids=padded, past_key_values=cache, use_cache=True).logits
        return logits[:, 0] if logits.shape[1] == 1 else logits[torch.arange(len(last)), last]

    def _take_in(self, jobs: list[Job], cache: Any, logits: "torch.Tensor") -> Pieces:
        self._cache.add(cache, [len(job.generation.ids) for job in jobs])
        self._rows += jobs
        return _accept(logits, jobs)


class _only:
    """Within it, the model's head computes the logits of one place a row: over all, they would be most of a prompt's memory."""

    def __init__(self, model: "PreTrainedModel", places: "torch.Tensor"):
        self._head: Any = model.get_output_embeddings()
        self._places = places

    def __enter__(self) -> None:
        self._hook = self._head.register_forward_pre_hook(self._narrow) if self._head is not None else None

    def __exit__(self, *error: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _narrow(self, head: Any, inputs: "tuple[torch.Tensor, ...]") -> "tuple[torch.Tensor, ...]":
        import torch

        hidden = inputs[0]
        return (hidden[torch.arange(len(hidden)), self._places][:, None], *inputs[1:])


def _accept(logits: "torch.Tensor", jobs: list[Job]) -> Pieces:
    tokens = choose(logits, [job.generation for job in jobs])
    return [(job, job.generation.accept(token)) for job, token in zip(jobs, tokens, strict=True)]
