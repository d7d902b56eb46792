"""What the loop of a picture training needs: optimizer, checkpoints, events, the stop flag, in one process or in several.

Knows nothing of pictures: the recipe computes the losses.
"""

import contextlib
import math
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from diffusers.optimization import get_scheduler
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.files import read_json, write_json
from engine.runs import Run
from engine.training import checkpoints
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.failures import NotANumber
from engine.training.precision import precision
from engine.training.trainer.picture_model import PictureModel
from engine.training.trainer.together import any_of, digest, mean_of_all, memory_of_all, wait_for_all

WEIGHTS, OPTIMIZER, STATE = "adapter.safetensors", "optimizer.safetensors", "state.json"


def make_accelerator(spec: DreamboothSpec) -> Accelerator:
    """What knows the device and the other processes; making it joins this process to them."""
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    half = precision(spec)
    # SDXL leaves out the last layer of its first text encoder
    unused = DistributedDataParallelKwargs(find_unused_parameters=bool(spec.train_text_encoder))
    return Accelerator(cpu=not gpu, mixed_precision="no" if half == "float32" else half, kwargs_handlers=[unused])


class Training:
    """While it `goes_on`, give each pass's loss to `learn_from`, and `turn` after the passes of a step.

    Args:
        model: with the adapter.
        spec: how to train.
        run: where it is told.
        accelerator: of this process.
    """

    def __init__(self, model: PictureModel, spec: DreamboothSpec, run: Run, accelerator: Accelerator):
        self._spec, self._run, self._accelerator, self._own = spec, run, accelerator, model
        self.step = 0
        """Steps done."""
        self._groups = [
            list(filter(_trained, model.unet.parameters())),
            list(filter(_trained, model.text.parameters())),
        ]
        rates = [spec.learning_rate, spec.text_learning_rate]
        groups = [{"params": each, "lr": rate} for each, rate in zip(self._groups, rates, strict=True) if each]
        optimizer = _optimizer_class(spec)(groups, weight_decay=spec.weight_decay)
        assert spec.max_steps
        self._schedule = get_scheduler(
            spec.schedule,
            optimizer,
            num_warmup_steps=math.ceil(spec.warmup * spec.max_steps),
            num_training_steps=spec.max_steps,
        )
        self._optimizer: Any = accelerator.prepare(optimizer)
        self.model: Any = accelerator.prepare(model)
        """What gives the guesses; its gradients are those of all processes."""
        self._passes: list[list[float]] = []
        self._names: list[str] = []
        self._began = 0.0
        self._resume()
        model.train()

    def goes_on(self) -> bool:
        """Whether another step is to be done; if somebody stopped the run, what is done is saved first."""
        assert self._spec.max_steps
        if self.step >= self._spec.max_steps:
            return False
        if self._is_stopped():
            if self.step:
                self.save()
            return False
        self._began = time.perf_counter()
        return True

    def learn_from(self, loss: Tensor, **parts: float) -> None:
        """The gradient of one pass.

        Args:
            loss: the mean over its pictures.
            parts: figures for the charts, by name.
        """
        count = self._spec.grad_accum
        last = len(self._passes) == count - 1
        # only the last pass of a step waits for the other processes
        with contextlib.nullcontext() if last else self._accelerator.no_sync(self.model):
            self._accelerator.backward(loss / count)
        self._passes.append([loss.item(), *parts.values()])
        self._names = ["loss", *parts]

    def turn(self) -> None:
        """The optimizer's step. Then it is told, and saved when that is due: before sample pictures in any case.

        Raises:
            NotANumber: in every process at once, as the loss is that of all.
        """
        trained = [weight for group in self._groups for weight in group]
        norm = self._accelerator.clip_grad_norm_(trained, self._spec.max_grad_norm)
        rate = float(self._schedule.get_last_lr()[0])
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._schedule.step()
        self.step += 1
        self._tell(time.perf_counter() - self._began, rate, float(norm) if norm is not None else math.nan)
        if self.step % self._spec.save_steps == 0 or self.is_shown:
            self.save()

    @property
    def is_shown(self) -> bool:
        """Whether sample pictures are due after the steps that are done."""
        return self.step % self._spec.sample_steps == 0 or self.step == self._spec.max_steps

    def _tell(self, seconds: float, rate: float, norm: float) -> None:
        own = [sum(values) / len(values) for values in zip(*self._passes, strict=True)]
        self._passes = []
        figures = dict(zip(self._names, mean_of_all(own, self._accelerator.device), strict=True))
        shown = self.step % self._spec.log_steps == 0 or self.step in (1, self._spec.max_steps)
        memory = memory_of_all() if shown else []
        if self._accelerator.is_local_main_process:
            self._run.update(step=self.step, loss=figures["loss"])
        if shown and self._accelerator.is_local_main_process:
            self._run.add_event(
                step=self.step,
                **figures,
                learning_rate=rate,
                grad_norm=norm,
                pictures_per_second=round(self._spec.global_batch / seconds, 2),
                memory=memory[0],
                **({"memory_by_rank": memory} if len(memory) > 1 else {}),
            )
        if not math.isfinite(figures["loss"]):
            raise NotANumber(self.step)

    def _is_stopped(self) -> bool:
        """Whether somebody stopped the run: all processes see it at the same step."""
        stopped = any_of(self._run.stop_requested(), self._accelerator.device)
        if stopped:
            self._run.request_stop()  # each machine of several has a run directory of its own
        return stopped

    @property
    def _folder(self) -> Path:
        return self._run.checkpoints / f"checkpoint-{self.step}"

    def save(self) -> None:
        """Write a checkpoint and seal it; all processes hold the same, so the first of each machine writes."""
        if self._accelerator.is_local_main_process and not checkpoints.is_complete(self._folder):
            self._folder.mkdir(exist_ok=True)
            save_file(_plain(self._own.trained()), self._folder / WEIGHTS)
            tensors, numbers = _flat(self._optimizer.state_dict()["state"])
            save_file(tensors, self._folder / OPTIMIZER)
            scaler = self._accelerator.scaler
            state = {
                "numbers": numbers,
                "schedule": self._schedule.state_dict(),
                "scaler": scaler and scaler.state_dict(),
            }
            write_json(self._folder / STATE, state)
            checkpoints.seal(self._folder)
            checkpoints.keep_newest(self._run.checkpoints, self._spec.save_total_limit)
        wait_for_all()

    def finish(self) -> None:
        """Write down what each process holds in the end, which must be the same."""
        if not torch.distributed.is_initialized():
            return
        digests: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(digests, digest(self._own))
        if self._accelerator.is_local_main_process:
            self._run.add_event(event="weights", step=self.step, weights_by_rank=digests)

    def _resume(self) -> None:
        """Go on from the newest complete checkpoint, if there is one. The data need no state: they go by the step."""
        first = self._accelerator.is_local_main_process
        passed_over = checkpoints.passed_over(self._run.checkpoints)
        wait_for_all()
        if first:
            checkpoints.remove_incomplete(self._run.checkpoints)
        wait_for_all()
        folder = checkpoints.newest_complete(self._run.checkpoints)
        if folder:
            self.step = checkpoints.step_of(folder)
            self._load(folder)
        if first:
            self._run.update(
                max_steps=self._spec.max_steps,
                step=self.step,
                steps_at_start=self.step,
                started=time.time(),
                world_size=self._accelerator.num_processes,
                sharding="none",
            )
            if folder:
                self._run.add_event(event="resumed", step=self.step, passed_over=passed_over)

    def _load(self, folder: Path) -> None:
        self._own.put_back(load_file(folder / WEIGHTS))
        saved = read_json(folder / STATE)
        state = _nested(load_file(folder / OPTIMIZER), saved["numbers"])
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._schedule.load_state_dict(saved["schedule"])
        for group, rate in zip(self._optimizer.param_groups, self._schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        if saved["scaler"] and self._accelerator.scaler:
            self._accelerator.scaler.load_state_dict(saved["scaler"])


def _trained(weight: Tensor) -> bool:
    return weight.requires_grad


def _optimizer_class(spec: DreamboothSpec) -> Any:
    if spec.optimizer == "adamw8bit":
        import bitsandbytes  # pyright: ignore[reportMissingImports]

        return bitsandbytes.optim.AdamW8bit
    return torch.optim.AdamW


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _flat(state: dict[int, dict[str, Any]]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as tensors by name, and what is no tensor."""
    named = {f"{number}.{name}": value for number, each in state.items() for name, value in each.items()}
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    return _plain(tensors), {name: value for name, value in named.items() if name not in tensors}


def _nested(tensors: dict[str, Tensor], numbers: dict[str, Any]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **numbers}.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    return state
