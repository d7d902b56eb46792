"""Starts, stops and resumes runs on this machine; pages and the command line come here."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

from engine.data.specs import SPECS, DataSpec
from engine.errors import BadInput
from engine.fields import parse
from engine.jobs import data, knowledge, processes, queue
from engine.jobs.ray import follow as ray_follow
from engine.jobs.recipes import TRAININGS
from engine.jobs.words import flags
from engine.knowledge.specs import SPECS as KNOWLEDGE
from engine.knowledge.specs import KnowledgeSpec
from engine.runs import Run, create_run
from engine.runs.run import ENDED
from engine.training.dreambooth_pictures import freeze
from engine.training.dreambooth_spec import DreamboothSpec, check_dreambooth, completed
from engine.training.launch.command import check as check_launch
from engine.training.launch.specs import LaunchSpec
from engine.training.lora_spec import LoraSpec, continued
from engine.training.resuming import change
from engine.training.rlhf_specs import RlhfSpec, check_rlhf
from engine.training.specs import SftSpec, check_spec
from engine.training.training_spec import TrainingSpec


def start_training(spec: TrainingSpec, unload_chat: bool = False) -> Run:
    """Start a training run in the background, or let it wait for its devices.

    Args:
        spec: what to do.
        unload_chat: ask the studio to give the chat model's memory free when the run begins.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    if isinstance(spec, LoraSpec):
        spec = continued(spec)
    elif isinstance(spec, DreamboothSpec):
        spec = completed(spec)
    check_training(spec)
    run = create_run(spec.method, spec.model_dump(), command_line(spec), adapter=spec.adapter)
    if isinstance(spec, DreamboothSpec):
        spec = spec.model_copy(update={"images": str(freeze(Path(spec.images), run))})
        run.describe(spec.model_dump(), command_line(spec))
    if unload_chat:
        run.ask_for_memory()
    queue.start(run)
    return run


def check_training(spec: TrainingSpec) -> None:
    """Refuse now what would fail later.

    Raises:
        BadInput: with what to do.
    """
    if isinstance(spec, SftSpec):
        check_spec(spec)
    elif isinstance(spec, RlhfSpec):
        check_rlhf(spec)
    elif isinstance(spec, DreamboothSpec):
        check_dreambooth(spec)
    check_launch(spec)
    if spec.executor == "ray":
        ray_follow.check()


def start_data(spec: DataSpec) -> Run:
    """Start a run about a dataset in the background.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    data.check(spec)
    run = create_run(spec.kind, spec.model_dump(mode="json"), data.command_line(spec), subject=data.subject(spec))
    processes.launch(run)
    return run


def start_knowledge(spec: KnowledgeSpec) -> Run:
    """Start a run about a knowledge base in the background.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    knowledge.check(spec)
    command = knowledge.command_line(spec)
    run = create_run(spec.kind, spec.model_dump(mode="json"), command, subject=knowledge.subject(spec))
    processes.launch(run)
    return run


def command_line(spec: TrainingSpec) -> str:
    """The command that does what the spec asks for, with every setting of the recipe spelled out."""
    values = spec.model_dump(exclude_none=True)
    for name, field in LaunchSpec.model_fields.items():  # of the launch, only what was chosen
        if values.get(name) == field.default:
            values.pop(name, None)
    group = "rlhf" if isinstance(spec, RlhfSpec) else "train"
    return shlex.join(["python", "-m", "engine", group, spec.method, *flags(values)])


def resume(run: Run, changes: dict[str, Any] | None = None) -> None:
    """Go on with a run that stopped, failed or was lost, from its newest complete checkpoint.

    Args:
        run: the run.
        changes: settings that get another value from here on; see `engine.training.resuming`.

    Raises:
        BadInput: it is going on, it has finished, or a setting cannot be changed.
    """
    state = run.status().state
    if state not in ENDED:
        raise BadInput("The run {run} is {state}: there is nothing to resume.", run=run.id, state=state)
    if state == "finished":
        raise BadInput("The run {run} has finished: there is nothing to go on with.", run=run.id)
    if run.kind in SPECS or run.kind in KNOWLEDGE:  # they wait for no device
        processes.launch(run)
        return
    if changes and run.kind in TRAININGS:
        change(run, parse(TRAININGS[run.kind], {**run.spec(), **changes}))
    queue.start(run)


def stop(run: Run) -> None:
    """Stop a run and wait for its end, or take it out of the queue. It resumes from its newest complete checkpoint.

    Raises:
        BadInput: it has ended already.
    """
    state = run.status().state
    if state in ENDED:
        raise BadInput("The run {run} is {state} already.", run=run.id, state=state)
    if not queue.leave(run):
        processes.stop(run)


def stop_in_background(run: Run) -> None:
    """`stop` for a page, which cannot wait."""
    if not queue.leave(run):
        run.request_stop()
        processes.spawn(["runs", "stop", run.id], subprocess.DEVNULL)
