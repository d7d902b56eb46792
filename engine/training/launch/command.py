"""The command line that starts a training's processes, the files it names, and its environment. Starts nothing itself.

The files are written into the run's `configs/`, the command and its environment into `launch.json`, for a person to read.
"""

import importlib.util
import json
import shlex
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from engine.devices import devices, has_cuda
from engine.errors import BadInput
from engine.files import read_json, write_json, write_text
from engine.runs import Run
from engine.training.launch import accelerate_config, deepspeed_config
from engine.training.lora_spec import LoraSpec
from engine.training.training_spec import TrainingSpec


@dataclass(frozen=True)
class Launch:
    """What to start."""

    argv: list[str]
    environment: dict[str, str]
    """What is added to the environment."""

    def __str__(self) -> str:
        """As a person would type it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join(["python", *self.argv[1:]])])


def check(spec: TrainingSpec) -> None:
    """Refuse a launch that cannot work here, and own files that contradict the spec.

    Raises:
        BadInput: with what to change.
    """
    if spec.executor == "local":  # a cluster's devices and packages are not known here
        _check_gpus(spec)
        if isinstance(spec, LoraSpec):
            _check_packages(spec)
    for file, config in (
        (spec.deepspeed, deepspeed_config),
        (spec.accelerate_config, accelerate_config),
    ):
        if file and (found := config.contradictions(spec, config.read(Path(file)))):
            raise BadInput(
                "The file {file} contradicts the settings (file / settings): {found}. Change one of them, or write auto there.",
                file=file,
                found="; ".join(found),
            )


def _check_gpus(spec: TrainingSpec) -> None:
    if spec.fsdp != "none" and not has_cuda():
        raise BadInput("FSDP needs GPUs, and there are none here: choose ZeRO stage 3 instead.")
    count = sum(device.name.startswith("cuda") for device in devices())
    missing = [str(number) for number in spec.gpus if number >= count]
    if missing:
        raise BadInput("There is no GPU {numbers}: this machine has {count}.", numbers=", ".join(missing), count=count)
    if count and spec.nproc > count:
        raise BadInput("Each process needs a GPU of its own, and this machine has {count}: lower nproc.", count=count)


def _check_packages(spec: LoraSpec) -> None:
    if spec.quantization == "4bit" and not has_cuda():
        raise BadInput("4bit needs an NVIDIA GPU, and there is none here: train with quantization none.")
    wanted = {
        "flash_attn": ("flash-attn", spec.attention == "flash_attention_2"),
        "liger_kernel": ("liger-kernel", spec.liger is True),
        "bitsandbytes": ("bitsandbytes", spec.quantization == "4bit"),
    }
    for module, (package, needed) in wanted.items():
        if needed and importlib.util.find_spec(module) is None:
            raise BadInput("{package} is not installed: install it, or train without it.", package=package)


def prepare(spec: TrainingSpec, run: Run) -> Launch:
    """Write the configuration files of a run with several processes, and say how to start it.

    Raises:
        BadInput: see `check`.
    """
    check(spec)
    address, port = _rendezvous(spec)
    launcher = {"torchrun": _torchrun, "deepspeed": _deepspeed, "accelerate": _accelerate}[spec.launcher]
    words = launcher(spec, run, address, port)
    launch = Launch([sys.executable, "-m", *words, "--module", "engine", "rank", run.id], environment(spec))
    write_json(run.path / "launch.json", {"argv": launch.argv, "environment": launch.environment, "port": port})
    return launch


def environment(spec: TrainingSpec) -> dict[str, str]:
    """Which GPUs the processes see, and how many threads each may use on CPUs."""
    if has_cuda():
        chosen = spec.gpus or list(range(spec.nproc))
        # our numbers are NVML's, in the order of the PCI bus
        return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, chosen)), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    cores = psutil.cpu_count(logical=False) or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // spec.nproc))} if spec.nproc > 1 else {}


def deepspeed_file(spec: TrainingSpec, run: Run) -> Path | None:
    """The DeepSpeed configuration of a run, its own copy of it; None if DeepSpeed does not train."""
    if not spec.uses_deepspeed:
        return None
    config = deepspeed_config.read(Path(spec.deepspeed)) if spec.deepspeed else deepspeed_config.make(spec)
    return _keep(run, "deepspeed.json", config)


def shown(run: Run) -> str | None:
    """The launcher's command of a run, as a person would type it; None if it needs no launcher."""
    path = run.path / "launch.json"
    if not path.exists():
        return None
    saved = read_json(path)
    return str(Launch(saved["argv"], saved["environment"]))


def _torchrun(spec: TrainingSpec, run: Run, address: str, port: int) -> list[str]:
    deepspeed_file(spec, run)
    nodes = ["--nnodes", str(spec.nodes), "--node-rank", str(spec.node_rank), "--nproc-per-node", str(spec.nproc)]
    where = ["--master-addr", address, "--master-port", str(port)]
    return ["torch.distributed.run", *nodes, *where, "--max-restarts", "0"]


def _deepspeed(spec: TrainingSpec, run: Run, address: str, port: int) -> list[str]:
    deepspeed_file(spec, run)
    words = ["deepspeed.launcher.runner", "--master_addr", address, "--master_port", str(port), "--no_local_rank"]
    if spec.hostfile:
        return [*words, "--hostfile", str(Path(spec.hostfile).resolve())]
    if spec.nodes > 1:  # it wants a list of the machines even where it starts no other; any names do
        hosts = run.path / "configs" / "hostfile"
        hosts.parent.mkdir(exist_ok=True)
        write_text(hosts, "".join(f"machine-{number} slots={spec.nproc}\n" for number in range(spec.nodes)))
        return [*words, "--hostfile", str(hosts), "--no_ssh", "--node_rank", str(spec.node_rank)]
    if has_cuda() and spec.gpus:  # its own way to choose GPUs; it takes no other beside it
        return [*words, "--include", f"localhost:{','.join(map(str, spec.gpus))}"]
    return [*words, "--num_accelerators", str(spec.nproc)]  # on CPUs it would count NUMA nodes


def _accelerate(spec: TrainingSpec, run: Run, address: str, port: int) -> list[str]:
    if spec.accelerate_config:
        config = accelerate_config.read(Path(spec.accelerate_config))
    else:
        config = accelerate_config.make(spec, deepspeed_file(spec, run))
    file = _keep(run, "accelerate.yaml", config)
    where = ["--main_process_ip", address, "--main_process_port", str(port)]
    return ["accelerate.commands.launch", "--config_file", str(file), *where]


def _rendezvous(spec: TrainingSpec) -> tuple[str, int]:
    """Where the processes meet: a port that is free now, or the address given for several machines."""
    if spec.main_address:
        host, _, port = spec.main_address.rpartition(":")
        if not host or not port.isdigit():
            raise BadInput("main_address must be host:port, such as 10.0.0.1:29500.")
        return host, int(port)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1", probe.getsockname()[1]


def _keep(run: Run, name: str, config: dict) -> Path:
    path = run.path / "configs" / name
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(config, indent=2) if name.endswith(".json") else yaml.safe_dump(config, sort_keys=False)
    write_text(path, text)
    return path
