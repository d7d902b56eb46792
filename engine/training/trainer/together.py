"""What the processes of a training agree on and tell each other; alone, a process agrees with itself."""

import hashlib
from typing import Any

import torch
import torch.distributed as dist


def digest(model: Any) -> str:
    """Sixteen hex digits of the weights that are trained."""
    trained = (weight.detach().float().cpu().numpy().tobytes() for weight in model.parameters() if weight.requires_grad)
    total = hashlib.sha256()
    for weight in trained:
        total.update(weight)
    return total.hexdigest()[:16]


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether the flag is up in any process."""
    if not dist.is_initialized():
        return flag
    shared = torch.tensor(int(flag), device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return bool(shared.item())


def memory_of_all() -> list[int]:
    """Bytes that each process holds on its device: GPU memory where there is one, resident memory else."""
    import psutil

    own = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else psutil.Process().memory_info().rss
    if not dist.is_initialized():
        return [own]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, own)
    return everyone


def mean_of_all(values: list[float], device: torch.device) -> list[float]:
    """The mean of each number over all processes."""
    if not dist.is_initialized():
        return values
    shared = torch.tensor(values, dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
    dist.all_reduce(shared)
    return (shared / dist.get_world_size()).tolist()


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if dist.is_initialized():
        dist.barrier()
