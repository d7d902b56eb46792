"""What a DreamBooth training is asked to do: typed, checked, and the one source of the form, the flags and their help.

DreamBooth (https://arxiv.org/abs/2208.12242) teaches a picture model one new thing from a few pictures of it; here into a LoRA
adapter. The description of a field says what changes when its value goes up or down; pages translate it, `--help` prints it.
"""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from engine.devices import has_cuda
from engine.diffusion.catalog import local_path, resolve
from engine.diffusion.families import defaults, family
from engine.diffusion.prompt_tokens import prompt_tokens
from engine.errors import BadInput
from engine.fields import parse
from engine.training.dreambooth_base import divisor
from engine.training.dreambooth_pictures import problems, read_folder, trigger_of
from engine.training.lora_spec import Warmup
from engine.training.training_spec import TrainingSpec, refuse_taken

_SMALL_RATE, _FULL_RATE = 2e-3, 1e-4
"""Learning rates that suit small UNets such as the starter's, and Stable Diffusion's own."""


class DreamboothSpec(TrainingSpec):
    """A LoRA adapter of a picture model, taught one thing from a few pictures."""

    method = "dreambooth"

    images: str = Field(description="The folder with 3 to 50 pictures of the one thing to learn.")
    instance_prompt: str = Field(
        min_length=1,
        max_length=1000,
        description="The prompt that shall mean the thing, with a word the model does not know: a picture of a zorp robot.",
    )
    class_prompt: str | None = Field(
        None,
        max_length=1000,
        description="The prompt of the kind of thing it is, without the new word: a picture of a robot.",
    )
    prior_preservation: bool | None = Field(
        None,
        description="Learn the base model's own pictures of the class prompt as well, so that other things of its kind stay "
        "as they were; by default where there is a class prompt. Takes twice as long.",
    )
    prior_weight: float = Field(
        1.0,
        ge=0,
        le=100,
        description="How much those pictures count: higher keeps the rest of the model more as it was, and learns the thing slower.",
    )
    class_pictures: int = Field(
        20,
        ge=1,
        le=1000,
        description="How many of them the base model draws first: more keep more of its variety, and take longer to draw.",
    )
    trigger_words: str | None = Field(
        None,
        max_length=500,
        description="The words that call the thing up in later prompts; by default the end of the instance prompt.",
    )
    default_weight: float = Field(
        1.0,
        ge=-10,
        le=10,
        description="How strongly the adapter is used when it is chosen: higher shows more of the thing.",
    )
    mask_rest: float = Field(
        0.1,
        ge=0,
        le=1,
        description="How much of a picture with a mask counts outside of it: 0 learns nothing of the background, 1 as without a mask.",
    )
    rank: int = Field(
        8, ge=1, le=1024, description="Higher lets the adapter learn more, and makes it larger and slower to train."
    )
    alpha: float = Field(
        8, gt=0, description="Strength of the adapter is alpha / rank: higher makes what it learns weigh more."
    )
    train_text_encoder: bool | None = Field(
        None,
        description="Teach the text encoder too: learns the new word better, needs more memory, and takes longer; by default for small models.",
    )
    text_rank: int = Field(
        8, ge=1, le=1024, description="Rank in the text encoder: higher lets it learn more of the new word."
    )
    text_alpha: float = Field(
        8,
        gt=0,
        description="Strength in the text encoder is this over its rank: higher makes what it learns weigh more.",
    )
    target_modules: Literal["auto", "attention", "attention-and-convolutions"] = Field(
        "auto",
        description="Which layers of the UNet get an adapter: with convolutions it learns shapes and textures better, and is larger; auto takes them in small models.",
    )
    resolution: int | None = Field(
        None,
        ge=32,
        le=2048,
        multiple_of=8,
        description="Pixels of a side that pictures are brought to; by default the model's own. Higher shows it more detail, and needs far more memory.",
    )
    buckets: bool = Field(
        True, description="Keep the shape of pictures that are not square; off crops all to squares from the middle."
    )
    flip: bool = Field(
        False, description="Show pictures mirrored half of the time: for a thing whose left and right are alike only."
    )
    repeats: int = Field(
        200,
        ge=1,
        le=10_000,
        description="How often each picture is seen: more learns the thing better, then by heart. Counts only if max_steps is not set.",
    )
    max_steps: int | None = Field(None, ge=1, description="Optimizer steps in all; overrides repeats.")
    batch_size: int = Field(4, ge=1, description="Pictures per device and pass: higher needs more memory.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Higher learns faster, and beyond a point breaks the pictures; by default 1e-4 for Stable Diffusion, 2e-3 for smaller models.",
    )
    text_learning_rate: float | None = Field(
        None, gt=0, lt=1, description="The same for the text encoder, which wants less; by default half of the other."
    )
    warmup: Warmup = 0.0
    optimizer: Literal["adamw", "adamw8bit"] = Field(
        "adamw",
        description="adamw8bit keeps its state in a quarter of the memory; NVIDIA GPUs only, with bitsandbytes.",
    )
    snr_gamma: float = Field(
        5.0,
        ge=0,
        description="Lower counts pictures with little noise less, which evens out what is learnt (min-SNR); 0 counts all alike.",
    )
    noise_offset: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Noise that shifts a whole picture: higher lets very dark and very bright pictures be learnt. 0.05 is much.",
    )
    samples: int = Field(
        1, ge=0, le=8, description="Pictures drawn of each sample prompt, to see how it learns; 0 switches it off."
    )
    sample_prompts: list[str] = Field(
        [], description="What is drawn then; by default the instance prompt, and the class prompt if there is one."
    )
    sample_steps: int = Field(
        100, ge=1, description="Steps between sample pictures: lower shows more of the way, and takes longer."
    )
    sample_seed: int = Field(0, ge=0, lt=2**32, description="The same seed draws the same sample pictures each time.")

    @property
    def global_batch(self) -> int:
        """Pictures of the subject in one optimizer step, over all processes."""
        return self.batch_size * self.grad_accum * self.world_size

    @model_validator(mode="after")
    def _can_be_trained(self) -> "DreamboothSpec":
        if self.prior_preservation and not self.class_prompt:
            raise BadInput("Prior preservation needs a class prompt: say what kind of thing it is, such as “a robot”.")
        if self.uses_deepspeed or self.fsdp != "none":
            raise BadInput(
                "DreamBooth trains with the launchers python, torchrun or accelerate, without ZeRO and FSDP: "
                "what it trains is small, and there is nothing to share out."
            )
        if self.executor == "ray":
            raise BadInput("DreamBooth trains on this machine: choose the executor local.")
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "8gb": {"batch_size": 1, "grad_accum": 4, "gradient_checkpointing": True, "class_pictures": 50},
    "12gb": {"batch_size": 2, "grad_accum": 2, "rank": 16, "alpha": 16, "class_pictures": 100},
    "24gb": {"batch_size": 4, "rank": 16, "alpha": 16, "train_text_encoder": True, "class_pictures": 200},
}
"""Settings for a machine without a GPU and for GPUs of so much memory, at Stable Diffusion 1.5's 512 pixels."""


def suggested_preset(memory: int | None) -> str:
    """The preset for a GPU of so many bytes; None for a machine without one."""
    if memory is None:
        return "cpu"
    return next((name for name, gib in (("24gb", 22), ("12gb", 11)) if memory >= gib * 2**30), "8gb")


def parse_dreambooth(values: dict[str, Any]) -> DreamboothSpec:
    """A spec from a form, flags or a preset.

    Raises:
        BadInput: naming the first field that is wrong.
    """
    return parse(DreamboothSpec, values)


def completed(spec: DreamboothSpec) -> DreamboothSpec:
    """With a value for all that the model and the pictures decide, so that what a run keeps says everything.

    Raises:
        BadInput: there is no such model or no such folder.
    """
    source = resolve(spec.model)
    count = max(1, len(read_folder(Path(spec.images))))
    small = family(source) == "other"
    rate = spec.learning_rate or (_SMALL_RATE if small else _FULL_RATE)
    layers = "attention-and-convolutions" if small else "attention"
    prompts = [spec.instance_prompt, *([spec.class_prompt] if spec.class_prompt else [])]
    return spec.model_copy(
        update={
            "images": str(Path(spec.images).resolve()),
            "prior_preservation": bool(spec.class_prompt)
            if spec.prior_preservation is None
            else spec.prior_preservation,
            "trigger_words": spec.trigger_words or trigger_of(spec.instance_prompt),
            "resolution": spec.resolution or defaults(source).width,
            "max_steps": spec.max_steps or math.ceil(count * spec.repeats / spec.global_batch),
            "train_text_encoder": small if spec.train_text_encoder is None else spec.train_text_encoder,
            "target_modules": layers if spec.target_modules == "auto" else spec.target_modules,
            "learning_rate": rate,
            "text_learning_rate": spec.text_learning_rate or rate / 2,
            "sample_prompts": spec.sample_prompts or prompts,
        }
    )


def check_dreambooth(spec: DreamboothSpec) -> None:
    """Refuse now what would fail later: an unknown model, a name that is taken, too few pictures or one that cannot be opened.

    Raises:
        BadInput: with what to do.
    """
    source = resolve(spec.model)
    refuse_taken(spec.adapter)
    for problem in problems(read_folder(Path(spec.images))):
        raise problem
    if spec.resolution and spec.resolution % divisor(source):
        raise BadInput("The resolution must be a multiple of {divisor} for this model.", divisor=divisor(source))
    tokens = prompt_tokens(replace(source, path=local_path(source, weights=False)))
    for prompt in filter(None, (spec.instance_prompt, spec.class_prompt)):
        if tokens.count(prompt) > tokens.limit:
            raise BadInput(
                "“{prompt}” has {count} tokens, and the model reads {most} of them: shorten it.",
                prompt=prompt[:100],
                count=tokens.count(prompt),
                most=tokens.limit,
            )
    if spec.optimizer == "adamw8bit":
        if not has_cuda():
            raise BadInput("adamw8bit needs an NVIDIA GPU, and there is none here: train with adamw.")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise BadInput("{package} is not installed: install it, or train without it.", package="bitsandbytes")
