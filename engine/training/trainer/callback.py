"""The wire between a Trainer and its run directory: events and status out, the stop flag in, checkpoints sealed.

Every process of a run has one; the first of each machine writes. Holds no training logic; a recipe works without it.
"""

import math
import time
from pathlib import Path
from typing import Any

import torch.distributed as dist
from transformers import Trainer, TrainerCallback

from engine.runs import Run
from engine.training import checkpoints
from engine.training.failures import NotANumber
from engine.training.trainer.together import any_of, digest, memory_of_all


class RunCallback(TrainerCallback):
    """Give it to a Trainer whose `logging_steps` is 1, so that each step's own loss is known; then set `trainer`.

    Args:
        run: where to write.
        log_steps: steps between events.
        keep: complete checkpoints to keep.
        metrics: what else of the trainer's logs becomes an event, by the trainer's name for it; evaluations' too.
    """

    trainer: Trainer

    def __init__(self, run: Run, log_steps: int, keep: int, metrics: dict[str, str] | None = None):
        self._run = run
        self._log_steps = log_steps
        self._keep = keep
        self._passed_over = checkpoints.passed_over(run.checkpoints)
        self._metrics = metrics or {}
        self._tokens = 0.0
        self._step_began = 0.0

    def on_train_begin(self, args, state, control, **kwargs: Any) -> None:
        """Say where it starts from, and what is really in force."""
        if not state.is_local_process_zero:
            return
        self._run.update(
            max_steps=state.max_steps,
            step=state.global_step,
            steps_at_start=state.global_step,
            started=time.time(),
            world_size=self.trainer.accelerator.num_processes,
            sharding=sharding(self.trainer),
        )
        if state.global_step:
            self._run.add_event(event="resumed", step=state.global_step, passed_over=self._passed_over)

    def on_step_begin(self, args, state, control, **kwargs: Any) -> None:
        """Start the clock of this step."""
        self._step_began = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs: Any) -> None:
        """Look at the stop flag: save after this step, then end. All processes do so at the same step."""
        if any_of(self._run.stop_requested(), args.device):
            self._run.request_stop()  # each machine of several has a run directory of its own
            control.should_save = True
            control.should_training_stop = True

    def on_log(self, args, state, control, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """One optimizer step, or one evaluation.

        Raises:
            NotANumber: in every process at once, as the loss is that of all.
        """
        logs = logs or {}
        if "eval_loss" in logs and state.is_local_process_zero:
            measured = self._named(logs, "eval_")
            self._run.add_event(step=state.global_step, eval_loss=logs["eval_loss"], **measured)
        elif "loss" in logs:
            self._on_step(state, logs)
            if not math.isfinite(logs["loss"]):
                raise NotANumber(state.global_step)

    def on_save(self, args, state, control, **kwargs: Any) -> None:
        """Trainer has written everything, in every process: seal it, and let older ones go."""
        if dist.is_initialized():
            dist.barrier()
        if state.is_world_process_zero:
            folder = Path(str(args.output_dir))
            checkpoints.seal(folder / f"checkpoint-{state.global_step}")
            checkpoints.keep_newest(folder, self._keep)

    def on_train_end(self, args, state, control, **kwargs: Any) -> None:
        """Write down what each process holds in the end: where every one has all weights, they must be the same."""
        if not dist.is_initialized() or sharding(self.trainer) in ("zero-3", "fsdp"):
            return
        digests: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(digests, digest(self.trainer.accelerator.unwrap_model(self.trainer.model)))
        if state.is_local_process_zero:
            self._run.add_event(event="weights", step=state.global_step, weights_by_rank=digests)

    def _named(self, logs: dict[str, Any], prefix: str = "") -> dict[str, float]:
        found = {f"{prefix}{ours}": logs.get(f"{prefix}{theirs}") for theirs, ours in self._metrics.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _on_step(self, state, logs: dict[str, Any]) -> None:
        step = state.global_step
        speed = (logs.get("num_tokens", 0.0) - self._tokens) / max(1e-9, time.perf_counter() - self._step_began)
        self._tokens = logs.get("num_tokens", 0.0)
        shown = step % self._log_steps == 0 or step in (1, state.max_steps)
        memory = memory_of_all() if shown else []
        if not state.is_local_process_zero:
            return
        self._run.update(step=step, loss=logs["loss"])
        if shown:
            self._run.add_event(
                step=step,
                loss=logs["loss"],
                learning_rate=logs.get("learning_rate"),
                grad_norm=logs.get("grad_norm"),
                tokens_per_second=round(speed, 1),
                memory=memory[0],
                **self._named(logs),
                **({"memory_by_rank": memory} if len(memory) > 1 else {}),
            )


def train(trainer: Trainer, run: Run) -> bool:
    """Train, from the run's newest complete checkpoint on if it has one.

    Returns:
        Whether the last step was done; if not, somebody has stopped the run.
    """
    with trainer.args.main_process_first():
        checkpoints.remove_incomplete(run.checkpoints)
    resume_from = checkpoints.newest_complete(run.checkpoints)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    return trainer.state.global_step >= trainer.state.max_steps or not run.stop_requested()


def last_evaluation(trainer: Trainer) -> dict[str, float]:
    """What was measured after the last step on the rows kept aside; empty without any. All processes must call it."""
    if trainer.eval_dataset is None:
        return {}
    measured = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    if measured and measured[-1]["step"] == trainer.state.global_step:
        return measured[-1]
    return trainer.evaluate()


def sharding(trainer: Trainer) -> str:
    """What really shards the training, asked of the engine that trains: `none`, `zero-0` to `zero-3`, or `fsdp`."""
    if trainer.is_deepspeed_enabled:
        engine: Any = trainer.model_wrapped
        return f"zero-{engine.zero_optimization_stage()}"
    return "fsdp" if trainer.is_fsdp_enabled else "none"
