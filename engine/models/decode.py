"""One request decoded by itself, on the model's own cache: for evaluations, and for models whose cache cannot be shared.

`generate` has one random state for the whole process and cannot be left after a token; here a request owns both.
"""

from typing import TYPE_CHECKING, Any

from engine.models.generation import Generation
from engine.models.loader import device_of
from engine.models.request import Reply
from engine.models.sampling import choose

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Decoding:
    """One request in progress: call `step` until `finish_reason` is set.

    Args:
        model: in eval mode, the wanted adapter active whenever `step` is called.
        generation: the request.
    """

    def __init__(self, model: "PreTrainedModel", generation: Generation):
        self.generation = generation
        self._model = model
        self._cache: Any = None
        self._read = 0  # how many tokens are in the cache

    @property
    def finish_reason(self) -> str | None:
        """Why it has ended; None as long as it goes on."""
        return self.generation.finish_reason

    def step(self) -> str:
        """Compute one token; returns the text that became readable with it, which may be empty."""
        import torch

        ids = self.generation.ids
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor([ids[self._read :]], device=device_of(self._model)),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
            self._cache, self._read = output.past_key_values, len(ids)
            [token] = choose(output.logits[:, -1], [self.generation])
        return self.generation.accept(token)

    def reply(self) -> Reply:
        """What was written so far, as a reply."""
        return self.generation.reply()
