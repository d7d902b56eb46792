"""A training on a Ray cluster: sends it there as a Ray job, and leads it from here into the ordinary run directory.

Runs in the leading process of a run, which trains nothing itself. Everything goes through the address of the cluster's
dashboard, with the SDK's own authentication (`RAY_AUTH_MODE=token`); no other port of the cluster has to be reachable.
"""

import importlib.util
import threading
import time
from typing import Any

from pydantic import BaseModel

from engine.errors import BadInput, Failure
from engine.files import read_json, write_json
from engine.jobs.ray.files import JobFiles
from engine.jobs.ray.results import bring_adapter, bring_checkpoint, bring_output, bring_progress
from engine.jobs.ray.submit import submit
from engine.runs import Run, Stopped
from engine.runs.run import Status
from engine.settings import settings
from engine.training.lora_spec import LoraSpec

_PATIENCE_SECONDS = 120
"""How long a cluster may not answer before the run is given up here; the job itself goes on."""
_LOST = (
    "The Ray cluster {address} has not answered for {seconds} seconds ({reason}): see whether it is up, then resume the "
    "run. It takes the job up again if that still goes on, and starts from the last checkpoint brought here if not."
)


class Job(BaseModel):
    """What is remembered of a run's newest Ray job, in its `ray.json`."""

    number: int
    """1 for the first; each resume is a new one, as Ray takes an id only once."""
    log_bytes: int = 0
    """How much of its output stands in our log already."""
    over: bool = False
    """Whether nothing is to be had from it any more."""

    def submission(self, run: Run) -> str:
        """Its id on the cluster."""
        return run.id if self.number == 1 else f"{run.id}-{self.number}"


def check() -> str:
    """The address of the cluster, if there is all that a Ray job needs here.

    Raises:
        BadInput: with what to install or to set.
    """
    if importlib.util.find_spec("ray") is None:
        raise BadInput("Ray is not installed: `pip install -r requirements-cluster.txt`.")
    address = settings().ray_address
    if not address or not address.startswith(("http://", "https://")):
        raise BadInput(
            "Set STUDIO_RAY_ADDRESS to the address of the cluster's dashboard, such as http://127.0.0.1:8265."
        )
    return address


def follow(spec: LoraSpec, run: Run) -> None:
    """Train on the cluster, and bring over what comes of it; take up a job that an earlier leader of the run left.

    Raises:
        BadInput: nothing is set up to reach a cluster.
        Failure: the cluster does not answer, or the job failed there.
        Stopped: it was stopped, here or there.
    """
    client = _connect(check())
    job = _left_going(client, spec, run) or _submit(client, spec, run)
    threading.Thread(target=_pass_on_stop, args=(client, job, run), daemon=True).start()
    info, status = _watch(client, job, spec, run)
    if status and status.state == "finished":
        bring_adapter(_files(client, job, run, info), spec, run)
        _remember(run, job, over=True)
        return
    _remember(run, job, over=True)
    if info.status in ("STOPPED", "PENDING"):
        raise Stopped
    if status and status.message:
        raise Failure(status.message, **status.message_values)
    raise Failure(
        "The Ray job {job} ended before the training could say why: {reason}",
        job=job.submission(run),
        reason=(info.message or info.status)[:1000],
    )


def _connect(address: str) -> Any:
    import requests
    from ray.exceptions import RayError
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, RayError, requests.RequestException) as error:
        raise Failure(
            "The Ray cluster {address} cannot be reached: {reason}", address=address, reason=str(error)[:300]
        ) from error


def _left_going(client: Any, spec: LoraSpec, run: Run) -> Job | None:
    """The job that an earlier leader of this run did not see to its end, if there is still something to see."""
    job = _remembered(run)
    if job is None or job.over:
        return None
    try:
        info = client.get_job_info(job.submission(run))
    except RuntimeError:  # it never arrived, or the cluster was started anew
        return None
    if info.status in ("FAILED", "STOPPED"):
        _bring(_files(client, job, run, info), job, spec, run)
        return None
    return job


def _submit(client: Any, spec: LoraSpec, run: Run) -> Job:
    last = _remembered(run)
    job = Job(number=last.number + 1 if last else 1)
    _remember(run, job)  # before it is sent: a leader that comes after this one asks whether it arrived
    submit(client, spec, run, job.submission(run))
    return job


def _watch(client: Any, job: Job, spec: LoraSpec, run: Run) -> tuple[Any, Status | None]:
    """Bring over what is new until the job has ended, or is taken back while it waits; returns Ray's word on it and its own."""
    import requests

    heard, waits_for, status = time.monotonic(), None, None
    while True:
        began = time.monotonic()
        try:
            info = client.get_job_info(job.submission(run))
            if info.driver_node_id:
                status = _bring(_files(client, job, run, info), job, spec, run, status)
            heard = time.monotonic()
        except (ConnectionError, RuntimeError, requests.RequestException) as error:
            if time.monotonic() - heard > _PATIENCE_SECONDS:
                reason = str(error)[:100]
                raise Failure(_LOST, address=client.get_address(), seconds=_PATIENCE_SECONDS, reason=reason) from error
            time.sleep(5)
            continue
        if info.status.is_terminal():
            return info, status
        if info.status == "PENDING" and run.stop_requested() and client.stop_job(job.submission(run)):
            return info, status  # it ends as soon as its turn comes, however late that is
        if info.status == "PENDING" and info.message != waits_for:
            waits_for = info.message
            print(waits_for, flush=True)
        time.sleep(max(1.0, 4 * (time.monotonic() - began)))  # a slow line is not kept busy all the time


def _bring(files: JobFiles, job: Job, spec: LoraSpec, run: Run, known: Status | None = None) -> Status | None:
    """Bring over all that is new."""
    log_bytes = bring_output(files, job.log_bytes)
    if log_bytes != job.log_bytes:
        job.log_bytes = log_bytes
        _remember(run, job)
    status = bring_progress(files, run, known)
    bring_checkpoint(files, run, spec.save_total_limit)
    return status


def _pass_on_stop(client: Any, job: Job, run: Run) -> None:
    """Pass the stop flag on to Ray, also while a large file is on its way. Ray gives the job the grace period and then ends it."""
    import requests

    while True:
        try:
            if run.stop_requested() and client.stop_job(job.submission(run)):
                return
        except (ConnectionError, RuntimeError, requests.RequestException):  # try again
            pass
        time.sleep(0.5)


def _files(client: Any, job: Job, run: Run, info: Any) -> JobFiles:
    return JobFiles(client, info.driver_node_id, job.submission(run))


def _remembered(run: Run) -> Job | None:
    path = run.path / "ray.json"
    return Job.model_validate(read_json(path)) if path.exists() else None


def _remember(run: Run, job: Job, over: bool = False) -> None:
    job.over = job.over or over
    write_json(run.path / "ray.json", job.model_dump())
