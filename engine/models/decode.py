"""Our decode loop: one request's tokens, one at a time, on transformers' cache and logits processors.

`generate` has one random state for the whole process and cannot be left after a token; here each request owns its cache
and its generator, so a seeded request gives the same reply alone or in company. It knows neither queues nor adapters.
"""

import time
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.models.loader import device_of
from engine.models.request import Messages, Reply, Sampling
from engine.models.text import StopText, TokenText

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Decoding:
    """One request in progress: call `step` until `finish_reason` is set.

    Args:
        model: in eval mode, the wanted adapter active whenever `step` is called.
        tokenizer: the model's.
        messages: the conversation so far, or text to be continued.
        sampling: how tokens are chosen.

    Raises:
        BadInput: the conversation is longer than the model reads, or there is none.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        messages: Messages,
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
        self._ids: torch.Tensor = torch.tensor([prompt_ids(tokenizer, messages)])
        self._prompt_tokens = self._ids.shape[1]
        self._limit = min(sampling.max_new_tokens, _room(model, self._prompt_tokens))
        self._stop_ids = _stop_ids(model, tokenizer)
        self._next_input = self._ids.to(device_of(model))
        self._cache = None
        self._text, self._stops = TokenText(tokenizer), StopText(sampling.stop)
        self._shown: list[str] = []
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
        self._ids = torch.cat([self._ids, torch.tensor([[token]])], dim=1)
        self._next_input = self._ids[:, -1:].to(self._next_input.device)
        piece = self._read(token)
        self._shown.append(piece)
        return piece

    def _read(self, token: int) -> str:
        ended = token in self._stop_ids
        piece = "" if ended else self._text.push(token)
        if ended or len(self._text.ids) >= self._limit:
            piece += self._text.rest()
        piece = self._stops.push(piece)
        if ended or self._stops.found:
            self.finish_reason = "stop"
        elif len(self._text.ids) >= self._limit:
            self.finish_reason = "length"
        return piece + self._stops.rest() if self.finish_reason else piece

    def reply(self) -> Reply:
        """What was written so far, as a reply."""
        return Reply(
            text="".join(self._shown),
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


def prompt_ids(tokenizer: "PreTrainedTokenizerBase", messages: Messages) -> list[int]:
    """The token ids of a conversation in the model's chat template, or of plain text.

    Raises:
        BadInput: there is nothing to read.
    """
    if isinstance(messages, str):
        encoded: Any = tokenizer(messages)
    else:
        encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    if not encoded["input_ids"]:
        raise BadInput("The text to continue is empty: write something.")
    return encoded["input_ids"]


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
