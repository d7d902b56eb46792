"""What this machine has and how much of it is free, asked of NVML and the operating system.

Never imports torch: a page that shows memory must not load a deep-learning library, nor take a CUDA context.
"""

import os
import platform
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

# CUDA would number GPUs by their speed; NVML, and so we, by their place on the PCI bus
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


@dataclass(frozen=True)
class Device:
    """One place where a model can sit. Sizes in bytes."""

    name: str
    """`cuda:0`, `mps` or `cpu`."""
    label: str
    """What its maker calls it."""
    total: int
    free: int


def devices() -> list[Device]:
    """GPUs first, the CPU last. GPU order is NVML's, which is PCI bus order."""
    return [*_nvidia(), *_apple(), _cpu()]


def visible_gpus() -> list[Device]:
    """The NVIDIA GPUs that this process may use (`CUDA_VISIBLE_DEVICES`), numbered as torch numbers them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = _nvidia()
    if chosen is None or not gpus:
        return gpus
    numbers: list[int] = []
    for word in chosen.split(","):
        number = _number(word.strip())
        if number not in range(len(gpus)):
            break  # CUDA itself ignores all after the first that is not there
        numbers.append(number)
    return [replace(gpus[number], name=f"cuda:{place}") for place, number in enumerate(numbers)]


def has_cuda() -> bool:
    """Whether an NVIDIA driver reports a GPU."""
    return bool(_nvidia())


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies matrices in bfloat16; one that does not takes many times as long as in float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:  # not Linux
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _cpu() -> Device:
    memory = psutil.virtual_memory()
    return Device("cpu", f"{psutil.cpu_count()} × {platform.machine()}", memory.total, memory.available)


def _apple() -> list[Device]:
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return []
    memory = psutil.virtual_memory()  # Apple silicon's GPU shares the machine's memory
    return [Device("mps", "Apple GPU", memory.total, memory.available)]


def _nvidia() -> list[Device]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, or no permission: no GPU for us
        return []
    try:
        return [_nvidia_device(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _number(word: str) -> int:
    """The number of the GPU that a word of `CUDA_VISIBLE_DEVICES` names, by number or UUID; -1 for none."""
    import pynvml

    if word.isdigit():
        return int(word)
    if not word.startswith("GPU-"):
        return -1
    pynvml.nvmlInit()
    try:
        return int(pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByUUID(word)))
    except pynvml.NVMLError:
        return -1
    finally:
        pynvml.nvmlShutdown()


def _nvidia_device(pynvml, index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Device(f"cuda:{index}", str(pynvml.nvmlDeviceGetName(handle)), int(memory.total), int(memory.free))
