"""Reward models: the base with a reward adapter gives each reply a number, higher for what people prefer.

Scores only; training is `engine.training.reward`'s business. The numbers mean something only beside each other.
"""

from typing import Any

from engine.adapters.store import read_adapter
from engine.models.adapters import refuse_other_base, with_adapter
from engine.models.catalog import fingerprint, resolve
from engine.models.loader import device_of, load_model, load_tokenizer

AT_ONCE = 8
"""Replies of like length that are scored together."""
Answer = tuple[list[dict[str, str]], str]
"""The prompt's messages, and the reply."""


class RewardModel:
    """A reward adapter on its base, in memory.

    Args:
        name: the adapter.

    Raises:
        BadInput: there is no such adapter, it is of another kind, or its base is not here.
    """

    def __init__(self, name: str):
        adapter = read_adapter(name, kind="reward")
        source = resolve(adapter.card.base_model)
        refuse_other_base(adapter, source.name, fingerprint(source))
        self._tokenizer: Any = load_tokenizer(source.name)
        self._tokenizer.padding_side = "right"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model: Any = with_adapter(load_model(source.name, scores=True), adapter, source.name)
        self._model.config.pad_token_id = self._tokenizer.pad_token_id

    def score(self, answers: list[Answer]) -> list[float]:
        """The reward of each reply, in the order given."""
        import torch

        texts = [
            self._tokenizer.apply_chat_template([*prompt, {"role": "assistant", "content": reply}], tokenize=False)
            for prompt, reply in answers
        ]
        scores = [0.0] * len(texts)
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for start in range(0, len(by_length), AT_ONCE):
            places = by_length[start : start + AT_ONCE]
            batch = self._tokenizer(
                [texts[place] for place in places],
                add_special_tokens=False,  # the template has written them
                truncation=True,
                max_length=self._model.config.max_position_embeddings,
                padding=True,
                return_tensors="pt",
            ).to(device_of(self._model))
            with torch.inference_mode():
                logits = self._model(**batch, use_cache=False).logits[:, 0].float()
            for place, value in zip(places, logits.tolist(), strict=True):
                scores[place] = value
        return scores
