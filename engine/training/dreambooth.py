"""DreamBooth into a LoRA adapter: a few pictures of one thing in, an adapter in lora_store/ out (https://arxiv.org/abs/2208.12242).

Reads top to bottom; start it with `python -m engine train dreambooth --images DIR --instance-prompt P --adapter NAME --wait`.
With several processes each of them runs this file; the launcher has set what they need to find each other.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.adapters.formats.family import family
from engine.adapters.importing import write_image
from engine.adapters.store import COVER, Card, publish
from engine.diffusion.catalog import PictureSource, fingerprint, resolve
from engine.errors import Failure
from engine.files import sha256
from engine.runs import Run
from engine.runs.picture_samples import picture_steps, read_pictures
from engine.training.dreambooth_base import divisor, load_base
from engine.training.dreambooth_pictures import frozen, read_folder
from engine.training.dreambooth_spec import DreamboothSpec
from engine.training.failures import OUT_OF_MEMORY_PICTURES, is_out_of_memory
from engine.training.precision import precision

if TYPE_CHECKING:
    from torch import Tensor

    from engine.training.trainer.picture_data import Batch
    from engine.training.trainer.picture_model import PictureModel


def train_dreambooth(spec: DreamboothSpec, run: Run) -> None:
    """Train, resuming from the run's newest complete checkpoint if it has one; publish the adapter unless stopped.

    Args:
        spec: what to do.
        run: where progress goes and the stop flag is looked for.

    Raises:
        Failure: the memory did not suffice, or the loss is not a number any more.
    """
    try:
        _train(spec, run)
    except Exception as error:
        if is_out_of_memory(error):
            raise Failure(OUT_OF_MEMORY_PICTURES) from error
        raise


def _train(spec: DreamboothSpec, run: Run) -> None:
    import torch
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    from engine.training.trainer.picture_data import PictureData
    from engine.training.trainer.picture_loop import Training, make_accelerator
    from engine.training.trainer.picture_model import PictureModel
    from engine.training.trainer.picture_samples import Samples, class_pictures

    # the base, and its own pictures of the class
    accelerator = make_accelerator(spec)
    rank = accelerator.process_index
    source = resolve(spec.model)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": torch.float32}[precision(spec)]
    pipe = load_base(source, dtype, accelerator.device)
    if rank == 0:
        run.update(max_steps=spec.max_steps)
    classes = class_pictures(pipe, source, spec, run, rank) if spec.prior_preservation else []
    if classes is None:
        return

    # data: pictures and prompts encoded once, then drawn by seed and step
    data = PictureData(pipe, spec, read_folder(frozen(run)), classes, divisor(source))
    noising = DDPMScheduler.from_config(pipe.scheduler.config)

    # model: the base frozen, the adapter fresh
    model = PictureModel(pipe, spec)
    training = Training(model, spec, run, accelerator)
    samples = Samples(pipe, source, model, spec, run)
    if training.step == 0:
        samples.draw(0, first=rank == 0)

    # loop: guess the noise in pictures of the thing and of its class
    while training.goes_on():
        for batch in data.passes(training.step, rank):
            noisy = noising.add_noise(batch.clean, batch.noise, batch.time)  # type: ignore[arg-type]
            guess = training.model(noisy, batch.time, batch.words, batch.sizes)
            subject, others = losses(guess, batch, noising, spec.snr_gamma)
            told = {"instance_loss": subject.item(), **({} if others is None else {"prior_loss": others.item()})}
            training.learn_from(subject if others is None else subject + spec.prior_weight * others, **told)
        training.turn()
        if training.is_shown:
            samples.draw(training.step, first=rank == 0)

    # the adapter, and where it comes from
    training.finish()
    if rank == 0 and training.step == spec.max_steps:
        publish_pictures(model, source, spec, run)


def losses(guess: "Tensor", batch: "Batch", noising: Any, snr_gamma: float) -> "tuple[Tensor, Tensor | None]":
    """Mean squared error over the pictures of the subject, and over those of its class if there are any.

    Args:
        guess: of the model.
        batch: what it was given.
        noising: the scheduler that knows how much noise each time step has.
        snr_gamma: where pictures with less noise than this begin to count less (https://arxiv.org/abs/2303.09556); 0 for all alike.
    """
    is_velocity = noising.config.prediction_type == "v_prediction"
    wanted = noising.get_velocity(batch.clean, batch.noise, batch.time) if is_velocity else batch.noise
    error = ((guess - wanted).square() * batch.weight).mean((1, 2, 3))
    if snr_gamma:
        signal = noising.alphas_cumprod.to(guess.device)[batch.time]
        ratio = signal / (1 - signal)
        error = error * ratio.clamp(max=snr_gamma) / (ratio + 1 if is_velocity else ratio.clamp(min=1e-8))
    subject, others = error[: batch.subjects], error[batch.subjects :]
    return subject.mean(), others.mean() if len(others) else None


def publish_pictures(model: "PictureModel", source: PictureSource, spec: DreamboothSpec, run: Run) -> None:
    """Put what was learnt into the store; the newest sample picture is its cover."""
    lora = model.lora()
    pictures = read_folder(frozen(run))
    card = Card(
        kind="image",
        base_model=source.name,
        base_fingerprint=fingerprint(source),
        method="dreambooth",
        run=run.id,
        dataset_hash=sha256_of([picture.file for picture in pictures]),
        spec=spec.model_dump(),
        metrics={"loss": run.status().loss},
        family=family(lora, {}, [], spec.adapter),
        trigger_words=spec.trigger_words or "",
        default_weight=spec.default_weight,
    )
    with tempfile.TemporaryDirectory(dir=run.path) as name:
        folder = Path(name)
        write_image(folder, lora, source.name)
        for sample in [sample for step in picture_steps(run)[-1:] for sample in read_pictures(run, step)][:1]:
            shutil.copyfile(sample.file, folder / COVER)
        publish(spec.adapter, folder, card)


def sha256_of(files: list[Path]) -> str:
    """One digest for several files."""
    return hashlib.sha256("".join(sha256(file) for file in files).encode()).hexdigest()
