"""Our decode loop: one request's tokens, one at a time, on transformers' cache and logits processors.

`generate` has one random state for the whole process and cannot be left after a token; here each request owns its cache
and its generator, so a seeded request gives the same reply alone or in company. It knows neither queues nor adapters.
"""

import time
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.models.loader import device_of
from engine.models.request import Reply, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Decoding:
    """One request in progress: call `step` until `finish_reason` is set.

    Args:
        model: in eval mode, the wanted adapter active whenever `step` is called.
        tokenizer: the model's.
        messages: the conversation so far, `{"role", "content"}` each.
        sampling: how tokens are chosen.

    Raises:
        BadInput: the conversation is longer than the model reads.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        messages: list[dict[str, str]],
        sampling: Sampling,
    ):
        import torch

        self.model = model
        self.tokenizer = tokenizer
        self.seed = sampling.seed if sampling.seed is not None else int(torch.randint(2**31, (1,)))
        self.finish_reason: str | None = None
        self._sampling = sampling
        self._generator = torch.Generator().manual_seed(self.seed)  # on the CPU: the same draws on every device
        self._processors = _processors(sampling)
        prompt: Any = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        self._ids: torch.Tensor = prompt["input_ids"]
        self._prompt_tokens = self._ids.shape[1]
        self._limit = min(sampling.max_new_tokens, _room(model, self._prompt_tokens))
        self._stop_ids = _stop_ids(model, tokenizer)
        self._next_input = self._ids.to(device_of(model))
        self._cache = None
        self._text = TokenText(tokenizer)
        self._started = time.perf_counter()

    def step(self) -> str:
        """Compute one token; returns the text that became readable with it, which may be empty."""
        import torch

        with torch.inference_mode():
            output = self.model(
                input_ids=self._next_input, past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
            self._cache = output.past_key_values
            token = self._choose(output.logits[:, -1])
        if token in self._stop_ids:
            self.finish_reason = "stop"
            return self._text.rest()
        self._ids = torch.cat([self._ids, torch.tensor([[token]])], dim=1)
        self._next_input = self._ids[:, -1:].to(self._next_input.device)
        piece = self._text.push(token)
        if len(self._text.ids) >= self._limit:
            self.finish_reason = "length"
            piece += self._text.rest()
        return piece

    def reply(self) -> Reply:
        """What was written so far, as a reply."""
        return Reply(
            text=self._text.all(),
            tokens=len(self._text.ids),
            prompt_tokens=self._prompt_tokens,
            seconds=time.perf_counter() - self._started,
            seed=self.seed,
            finish_reason=self.finish_reason or "cancelled",
        )

    def _choose(self, logits) -> int:
        import torch

        if self._sampling.temperature == 0 and not self._processors:
            return int(logits.argmax(-1))
        scores = logits.float().cpu()
        for processor in self._processors:
            scores = processor(self._ids, scores)
        if self._sampling.temperature == 0:
            return int(scores.argmax(-1))
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._generator))


class TokenText:
    """Token ids to text, without ever showing half a character.

    Decodes a short tail together with what follows it, since a token alone may lose its leading space; the method is
    vLLM's `detokenize_incrementally`.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase"):
        self.ids: list[int] = []
        self._tokenizer = tokenizer
        self._shown = ""
        self._tail = 0  # where the tail that is decoded again begins
        self._read = 0  # how many ids have been shown

    def push(self, token: int) -> str:
        """Add a token; returns the text it completed."""
        self.ids.append(token)
        before = self._decode(self.ids[self._tail : self._read])
        now = self._decode(self.ids[self._tail :])
        if now.endswith("�") or len(now) <= len(before):
            return ""
        self._tail, self._read = self._read, len(self.ids)
        piece = now[len(before) :]
        self._shown += piece
        return piece

    def rest(self) -> str:
        """What is left at the end, a broken character included."""
        before = self._decode(self.ids[self._tail : self._read])
        piece = self._decode(self.ids[self._tail :])[len(before) :]
        self._shown += piece
        self._tail = self._read = len(self.ids)
        return piece

    def all(self) -> str:
        """All text shown so far."""
        return self._shown

    def _decode(self, ids: list[int]) -> str:
        # the return type covers batches, which this is not
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _processors(sampling: Sampling) -> list:
    from transformers.generation import logits_process as lp

    processors: list = []
    if sampling.repetition_penalty != 1.0:
        processors.append(lp.RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature > 0:
        if sampling.temperature != 1.0:
            processors.append(lp.TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_k:
            processors.append(lp.TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1.0:
            processors.append(lp.TopPLogitsWarper(sampling.top_p))
    return processors


def _stop_ids(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> set[int]:
    """The ends the model names (GLM-4 has three) and the tokenizer's."""
    config = model.generation_config
    ends = config.eos_token_id if config is not None else None
    ids = [*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id]
    return {i for i in ids if isinstance(i, int)}


def _room(model: "PreTrainedModel", prompt_tokens: int) -> int:
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if most is None:
        return 2**31
    if prompt_tokens >= most:
        raise BadInput(
            "The conversation has {tokens} tokens and this model reads at most {most}: start a new one or shorten it.",
            tokens=prompt_tokens,
            most=most,
        )
    return most - prompt_tokens
