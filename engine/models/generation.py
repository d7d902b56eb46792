"""One request's tokens so far, and everything that decides when it ends; whoever computes the next token is elsewhere.

It knows neither queues nor adapters nor caches, so a request is the same whether it is decoded alone or among others.
"""

import secrets
import time
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.models.request import Messages, Reply, Sampling
from engine.models.text import StopText, TokenText

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Generation:
    """One request in progress: `accept` tokens until `finish_reason` is set.

    Args:
        model: for what ends its replies and how much it reads.
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

        self.sampling = sampling
        self.seed = sampling.seed if sampling.seed is not None else secrets.randbelow(2**31)
        self.generator = torch.Generator().manual_seed(self.seed)  # on the CPU: the same draws on every device
        self.ids = _prompt_ids(tokenizer, messages)
        """The prompt's tokens and the reply's."""
        self.prompt_tokens = len(self.ids)
        self.limit = min(sampling.max_new_tokens, _room(model, self.prompt_tokens))
        """Most tokens of the reply."""
        self.finish_reason: str | None = None
        self.started = time.perf_counter()
        self._ends = _stop_ids(model, tokenizer)
        self._text, self._stops = TokenText(tokenizer), StopText(sampling.stop)
        self._shown: list[str] = []

    @property
    def tokens(self) -> int:
        """Of the reply so far."""
        return len(self._text.ids)

    def accept(self, token: int) -> str:
        """Take the next token; returns the text that may be shown with it, which may be empty."""
        ended = token in self._ends
        piece = ""
        if not ended:
            self.ids.append(token)
            piece = self._text.push(token)
        full = self.tokens >= self.limit
        if ended or full:
            piece += self._text.rest()
        piece = self._stops.push(piece)
        if ended or full or self._stops.found:
            self.finish_reason = "stop" if ended or self._stops.found else "length"
            piece += self._stops.rest()
        self._shown.append(piece)
        return piece

    def reply(self) -> Reply:
        """What was written so far, as a reply."""
        return Reply(
            text="".join(self._shown),
            tokens=self.tokens,
            prompt_tokens=self.prompt_tokens,
            seconds=time.perf_counter() - self.started,
            seed=self.seed,
            finish_reason=self.finish_reason or "cancelled",
        )


def _prompt_ids(tokenizer: "PreTrainedTokenizerBase", messages: Messages) -> list[int]:
    if isinstance(messages, str):
        encoded: Any = tokenizer(messages)
    else:
        encoded = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    if not encoded["input_ids"]:
        raise BadInput("The text to continue is empty: write something.")
    return list(encoded["input_ids"])


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
