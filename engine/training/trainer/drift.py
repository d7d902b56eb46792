"""How far a policy has moved from where it started, measured on its own sample answers: divergence and length.

DPO and KTO learn from replies that others wrote, so their losses do not tell what the model itself now says.
"""

from typing import Any

import torch
from trl.trainer.utils import use_adapter

from engine.training.trainer.samples import SamplesCallback


class PolicySamples(SamplesCallback):
    """Sample answers, and with them the events `kl` (nats a token, over the whole vocabulary) and `length` (tokens)."""

    def _write(self, step: int, replies: list[str]) -> None:
        super()._write(step, replies)
        if self._together or not any(replies):
            return
        measured = [self._measure(prompt, reply) for prompt, reply in zip(self._prompts, replies, strict=True) if reply]
        tokens = sum(count for count, _ in measured)
        divergence = sum(total for _, total in measured) / tokens
        self._run.add_event(step=step, kl=divergence, length=tokens / len(self._prompts))

    def _measure(self, prompt: list[dict[str, str]], reply: str) -> tuple[int, float]:
        """Tokens of a reply, and the divergence of the policy from its reference summed over them."""
        model: Any = self.trainer.accelerator.unwrap_model(self.trainer.model)
        asked = self._tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        said = self._tokenizer(reply, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([asked + said], device=self.trainer.args.device)
        reference = "ref" if "ref" in model.peft_config else None
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), self.trainer.autocast_smart_context_manager():
                policy = self._log_probs(model, ids, len(said))
                with use_adapter(model, reference):
                    start = self._log_probs(model, ids, len(said))
        finally:
            model.train(was_training)
        return len(said), float((policy.exp() * (policy - start)).sum())

    def _log_probs(self, model: Any, ids: torch.Tensor, count: int) -> torch.Tensor:
        """Of every token at the places where the reply's tokens were chosen."""
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=count + 1).logits[0, :-1]
        return logits.float().log_softmax(-1)
