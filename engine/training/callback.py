"""The wire between a Trainer and its run directory: events and status out, the stop flag in, checkpoints sealed.

Holds no training logic; a recipe works without it.
"""

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from engine.runs import Run
from engine.training import checkpoints


class RunCallback(TrainerCallback):
    """Give it to a Trainer whose `logging_steps` is 1, so that each step's own loss is known.

    Args:
        run: where to write.
        log_steps: steps between events.
        keep: complete checkpoints to keep.
    """

    def __init__(self, run: Run, log_steps: int, keep: int):
        self._run = run
        self._log_steps = log_steps
        self._keep = keep
        self._tokens = 0.0
        self._step_began = 0.0

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        """Say where it starts from."""
        self._run.update(
            max_steps=state.max_steps,
            step=state.global_step,
            steps_at_start=state.global_step,
            started=time.time(),
            world_size=args.world_size,
        )
        if state.global_step:
            self._run.add_event(event="resumed", step=state.global_step)

    def on_step_begin(self, args, state, control, **kwargs: Any) -> None:
        """Start the clock of this step."""
        self._step_began = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        """Look at the stop flag: save after this step, then end."""
        if self._run.stop_requested():
            control.should_save = True
            control.should_training_stop = True

    def on_log(self, args, state, control, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """One optimizer step, or one evaluation."""
        logs = logs or {}
        step = state.global_step
        if "eval_loss" in logs:
            self._run.add_event(step=step, eval_loss=logs["eval_loss"])
        elif "loss" in logs:
            tokens = logs.get("num_tokens", 0.0)
            speed = (tokens - self._tokens) / max(1e-9, time.perf_counter() - self._step_began)
            self._tokens = tokens
            self._run.update(step=step, loss=logs["loss"])
            if step % self._log_steps == 0 or step in (1, state.max_steps):
                self._run.add_event(
                    step=step,
                    loss=logs["loss"],
                    learning_rate=logs.get("learning_rate"),
                    grad_norm=logs.get("grad_norm"),
                    tokens_per_second=round(speed, 1),
                    memory=_memory(),
                )

    def on_save(self, args, state, control, **kwargs: Any) -> None:
        """Trainer has written everything: seal it, and let older ones go."""
        folder = Path(str(args.output_dir))
        checkpoints.seal(folder / f"checkpoint-{state.global_step}")
        checkpoints.keep_newest(folder, self._keep)


def _memory() -> int:
    """Bytes this process holds on its device: GPU memory where there is one, resident memory else."""
    import psutil
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else psutil.Process().memory_info().rss
