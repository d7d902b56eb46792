"""Sends a training to a Ray cluster as a job: what it runs, what is reserved for it, and how it is to be stopped."""

import shlex
import tempfile
from pathlib import Path
from typing import Any

from engine.jobs.ray.package import fill
from engine.runs import Run
from engine.settings import settings
from engine.training.lora_spec import LoraSpec


def submit(client: Any, spec: LoraSpec, run: Run, name: str) -> None:
    """Send it.

    Args:
        client: Ray's `JobSubmissionClient`.
        spec: what to do.
        run: the run it is for, whose newest checkpoint goes along.
        name: the job's id, which no other job of the cluster may have or have had.
    """
    words = ["python", "-m", "engine.jobs.ray.job", run.id, "--submission", name, "--models", str(settings().models)]
    with tempfile.TemporaryDirectory(prefix="studio-") as folder:
        fill(Path(folder), spec, run)
        client.submit_job(
            entrypoint="exec " + shlex.join(words),  # Ray gives it to a shell
            submission_id=name,
            runtime_env={"working_dir": folder, "env_vars": _how_to_stop()},
            **_resources(client, spec),
        )
    print(f"Sent to the Ray cluster {client.get_address()} as the job {name}.", flush=True)


def _how_to_stop() -> dict[str, str]:
    """The signal that `engine.jobs.ray.job` waits for, and the seconds until Ray ends by force what has not ended."""
    grace = max(1, int(settings().stop_grace_seconds))
    return {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": str(grace)}


def _resources(client: Any, spec: LoraSpec) -> dict[str, float]:
    """What Ray is to reserve: a GPU for each process, or all CPUs of a machine where no machine has a GPU."""
    from ray.util.state import list_nodes

    nodes: Any = list_nodes(client.get_address())
    machines = [node.resources_total or {} for node in nodes if node.state == "ALIVE"]
    if any(machine.get("GPU") for machine in machines):
        return {"entrypoint_num_gpus": spec.nproc, "entrypoint_num_cpus": spec.nproc}
    # Ray gives a process as many threads as it reserves CPUs
    return {"entrypoint_num_cpus": max([machine.get("CPU", 0) for machine in machines] or [spec.nproc])}
