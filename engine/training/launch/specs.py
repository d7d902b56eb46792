"""On what a training runs: how many processes, started by which launcher, sharded how. Every recipe's spec has these fields.

Says what cannot go together; `engine.training.launch.command` makes the command line of it.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.errors import BadInput

Launcher = Literal["python", "torchrun", "deepspeed", "accelerate"]


class LaunchSpec(BaseModel):
    """How the processes of one training are started."""

    model_config = ConfigDict(extra="forbid")

    executor: Literal["local", "ray"] = Field(
        "local",
        description="Where it trains: local on this machine, ray on a machine of the Ray cluster in the settings.",
    )
    launcher: Launcher = Field(
        "python", description="python trains on one device; the others start one process per device."
    )
    nproc: int = Field(
        1, ge=1, le=1024, description="Processes on this machine, one per GPU: more see more conversations per step."
    )
    gpus: list[int] = Field(
        [], description="Which GPUs to use, by number; by default the first ones. Without GPUs it trains on the CPU."
    )
    zero: Literal[0, 1, 2, 3] = Field(
        0,
        description="DeepSpeed ZeRO stage: higher shares out more between the processes, and is slower. Only if memory demands it.",
    )
    offload: Literal["none", "optimizer", "all"] = Field(
        "none",
        description="What DeepSpeed keeps in the CPU's memory instead of the GPU's: less GPU memory, much slower.",
    )
    fsdp: Literal["none", "full_shard", "shard_grad_op"] = Field(
        "none", description="PyTorch's own sharding, by accelerate, on GPUs only: full_shard needs the least memory."
    )
    deepspeed: str | None = Field(None, description="A DeepSpeed configuration file of your own.")
    accelerate_config: str | None = Field(None, description="An accelerate configuration file of your own.")
    nodes: int = Field(1, ge=1, le=1024, description="Machines that train together; start the command on each of them.")
    node_rank: int = Field(0, ge=0, description="The number of this machine, 0 for the first.")
    main_address: str | None = Field(None, description="The first machine's address and a free port there: host:port.")
    hostfile: str | None = Field(
        None, description="DeepSpeed's list of machines, a line `name slots=4` each: it starts them all by ssh."
    )

    @property
    def world_size(self) -> int:
        """Processes in all."""
        return self.nproc * self.nodes

    @property
    def uses_deepspeed(self) -> bool:
        """Whether DeepSpeed's engine trains, whoever starts the processes."""
        return self.launcher == "deepspeed" or self.zero > 0 or self.deepspeed is not None

    @model_validator(mode="after")
    def _goes_together(self) -> "LaunchSpec":
        for impossible, sentence in _IMPOSSIBLE:
            if impossible(self):
                raise BadInput(sentence)
        return self


_IMPOSSIBLE = [
    (
        lambda s: s.executor == "ray" and (s.nodes > 1 or s.hostfile),
        "A Ray job trains on one machine of the cluster: leave nodes and hostfile out.",
    ),
    (
        lambda s: s.executor == "ray" and bool(s.gpus),
        "Ray chooses the GPUs itself: leave gpus out, and say with nproc how many.",
    ),
    (
        lambda s: s.launcher == "python" and (s.world_size > 1 or s.uses_deepspeed),
        "Several processes, ZeRO and DeepSpeed need a launcher: choose torchrun, deepspeed or accelerate.",
    ),
    (
        lambda s: s.launcher != "accelerate" and (s.fsdp != "none" or s.accelerate_config),
        "FSDP and an accelerate configuration need the launcher accelerate.",
    ),
    (
        lambda s: s.fsdp != "none" and s.uses_deepspeed,
        "FSDP and DeepSpeed ZeRO do the same job: choose one of them.",
    ),
    (
        lambda s: s.deepspeed and s.accelerate_config,
        "Give a DeepSpeed file or an accelerate file, not both: the accelerate file can name the other.",
    ),
    (
        lambda s: s.offload == "optimizer" and not s.deepspeed and s.zero < 1,
        "Offloading the optimizer is a part of ZeRO: choose stage 1, 2 or 3.",
    ),
    (
        lambda s: s.offload == "all" and not s.deepspeed and s.zero < 3,
        "Offloading the model as well is a part of ZeRO stage 3: choose it.",
    ),
    (
        lambda s: bool(s.gpus) and len(set(s.gpus)) != s.nproc,
        "Each process needs a GPU of its own: name as many GPUs as there are processes.",
    ),
    (
        lambda s: s.nodes > 1 and not s.main_address and not s.hostfile,
        "Several machines need the first one's address: give main_address as host:port.",
    ),
    (
        lambda s: s.node_rank >= s.nodes,
        "node_rank counts from 0: the last machine has the number of machines less one.",
    ),
    (
        lambda s: s.hostfile and s.launcher != "deepspeed",
        "A hostfile is read by the launcher deepspeed alone.",
    ),
]
