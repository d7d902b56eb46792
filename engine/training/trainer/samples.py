"""Answers to fixed prompts during a training, at the same steps each time: to read how the model changes.

Greedy, so that they draw no random number and the training goes on as it would have without them.
"""

from typing import Any

import torch
import torch.distributed as dist
from transformers import Trainer, TrainerCallback

from engine.data import registry
from engine.data.split import falls_to_eval
from engine.runs import Run
from engine.runs.samples import write_samples
from engine.training.prompts import Prompt, watched
from engine.training.specs import SftSpec
from engine.training.trainer.callback import sharding

LONGEST = 64
"""Tokens of a reply."""
_LOOKED_AT = 2000
"""Rows of a dataset among which prompts are looked for."""


def choose_prompts(spec: SftSpec, dataset: str) -> list[Prompt]:
    """The prompts of a run: those asked for, else the first different ones of the part kept aside, else of the dataset.

    Args:
        spec: of the run.
        dataset: reference of the dataset's version.

    Returns:
        Conversations that end with the user's turn.
    """
    rows = list(registry.raw_rows(registry.card(dataset), 0, _LOOKED_AT))
    aside = [row for row in rows if falls_to_eval(row, spec.eval_split, spec.seed)]
    return watched(spec, [*aside, *rows])


class SamplesCallback(TrainerCallback):
    """Answers the prompts before the first step and at every evaluation, into `samples/step-<n>.json`; then set `trainer`.

    Args:
        run: where to write.
        prompts: see `choose_prompts`.
        tokenizer: of the model.
    """

    trainer: Trainer

    def __init__(self, run: Run, prompts: list[Prompt], tokenizer: Any):
        self._run = run
        self._prompts = prompts
        self._tokenizer = tokenizer

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        """How it answers before it has learnt anything."""
        if state.global_step == 0:
            self._sample(state)

    def on_evaluate(self, args, state, control, **kwargs: Any) -> None:
        """How it answers by now."""
        self._sample(state)

    def _sample(self, state) -> None:
        # ZeRO-3 gathers each layer from all processes, so all of them must answer; else the first does and the others wait
        together = self._together
        if self.trainer.is_fsdp_enabled or not self._prompts:
            return  # generating on sharded FSDP weights is not supported by transformers
        if together or state.is_world_process_zero:
            replies = [self._reply(prompt, together) for prompt in self._prompts]
            if state.is_world_process_zero:
                self._write(state.global_step, replies)
        if dist.is_initialized():
            dist.barrier()

    @property
    def _together(self) -> bool:
        return sharding(self.trainer) == "zero-3"

    def _reply(self, prompt: list[dict[str, str]], together: bool) -> str:
        model: Any = self.trainer.accelerator.unwrap_model(self.trainer.model)
        inputs = self._tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(self.trainer.args.device)
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), self.trainer.autocast_smart_context_manager():
                ids = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False, synced_gpus=together)
        finally:
            model.train(was_training)
        return self._tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def _write(self, step: int, replies: list[str]) -> None:
        samples = [{"prompt": prompt, "reply": reply} for prompt, reply in zip(self._prompts, replies, strict=True)]
        write_samples(self._run, step, samples)
