"""Brings a Stable Diffusion into memory: type, device, offload; and its other modes on the same weights.

One copy of the weights serves all modes: the pipelines for img2img and inpainting are thin objects around the same parts.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.devices import devices, has_cuda
from engine.diffusion import catalog
from engine.diffusion.catalog import PictureSource
from engine.diffusion.recipe import Mode
from engine.errors import BadInput, Failure
from engine.files import read_safetensors_header
from engine.settings import settings

if TYPE_CHECKING:
    import torch

_SMALL = 8 * 2**30
"""A GPU with less memory than this computes attention in slices and decodes in tiles."""


@dataclass(frozen=True)
class Placement:
    """How a pipeline is put into memory; the fields are those of `engine.settings.Settings`, whose values are the default."""

    dtype: str = "auto"
    device_map: str = "auto"
    offload: str = "none"

    @classmethod
    def from_settings(cls) -> "Placement":
        """What the machine's owner configured."""
        s = settings()
        return cls(s.dtype, s.device_map, s.picture_offload)


def picture_dtype(name: str | None = None) -> "torch.dtype":
    """The type of a picture model's weights: `auto` is float16 on GPUs, which all are fast in, and float32 on the CPU.

    An autoencoder that overflows in float16 (SDXL's) says so, and diffusers decodes with it in float32.
    """
    import torch

    name = name or settings().dtype
    if name != "auto":
        return getattr(torch, name)
    return torch.float16 if _gpu() else torch.float32


def bytes_needed(source: PictureSource) -> int:
    """Estimate of the memory that a model takes once loaded.

    Raises:
        BadInput: the weights are damaged.
    """
    try:
        files = catalog.weights_of(source)
        weights = sum(math.prod(tensor["shape"]) for file in files for tensor in read_safetensors_header(file).values())
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=source.name) from error
    return weights * picture_dtype().itemsize


def load(source: PictureSource, placement: Placement | None = None) -> Any:
    """The pipeline for drawing from words, placed and ready; its other modes come from `in_mode`.

    Args:
        source: the model.
        placement: by default the settings'.

    Raises:
        BadInput: it is no Stable Diffusion, or its weights are not safetensors.
        Failure: files must come from a hub that cannot be reached, or the device asked for is not there.
    """
    import diffusers.utils.logging
    import transformers.utils.logging

    from engine.diffusion.single_file import load_file

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    placement = placement or Placement.from_settings()
    dtype = picture_dtype(placement.dtype)
    spread = placement.device_map == "balanced" and sum(device.name != "cpu" for device in devices()) > 1
    if source.kind == "file":
        pipe = load_file(source, dtype)
    else:
        pipe = load_folder(catalog.local_path(source), dtype, balanced=spread)
    pipe.set_progress_bar_config(disable=True)
    if not (spread and source.kind != "file"):
        place(pipe, placement)
    return pipe


def load_folder(folder: Any, dtype: "torch.dtype", balanced: bool = False) -> Any:
    """The pipeline in a folder, on the CPU or spread over all GPUs."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

    xl = (folder / "text_encoder_2").is_dir()
    arguments: dict[str, Any] = {
        "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
        "variant": catalog.variant(folder),
    }
    if balanced:
        arguments |= {"device_map": "balanced", "max_memory": _max_memory()}
    if xl:
        return StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False, **arguments)
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return StableDiffusionPipeline.from_pretrained(folder, **without, **arguments)


def place(pipe: Any, placement: Placement) -> None:
    """Put a pipeline where it computes.

    Raises:
        Failure: there is no such device.
    """
    gpu = _gpu()
    if placement.offload != "none" and gpu:
        enable = pipe.enable_model_cpu_offload if placement.offload == "model" else pipe.enable_sequential_cpu_offload
        enable(device=gpu)
    else:
        device = (
            gpu or "cpu" if placement.device_map in ("auto", "balanced", "sequential", "none") else placement.device_map
        )
        try:
            pipe.to(device)
        except (RuntimeError, AssertionError) as error:
            raise Failure(
                "The picture model could not be put on {device} ({reason}): check STUDIO_DEVICE_MAP, or set "
                "STUDIO_PICTURE_OFFLOAD=model.",
                device=device,
                reason=str(error).splitlines()[0][:200],
            ) from error
    if gpu and min(device.total for device in devices() if device.name != "cpu") < _SMALL:
        pipe.enable_attention_slicing()
        pipe.vae.enable_tiling()


def in_mode(pipe: Any, mode: Mode) -> Any:
    """A pipeline for a mode around the same parts; nothing is copied."""
    import diffusers

    make = "XL" if hasattr(pipe, "text_encoder_2") else ""
    kind = {"txt2img": "", "img2img": "Img2Img", "inpaint": "Inpaint"}[mode]
    wanted = getattr(diffusers, f"StableDiffusion{make}{kind}Pipeline")
    zeros = getattr(pipe.config, "force_zeros_for_empty_prompt", True)
    extra: dict[str, Any] = (
        {"add_watermarker": False, "force_zeros_for_empty_prompt": zeros}
        if make
        else {"requires_safety_checker": False}
    )
    made = wanted(**{**pipe.components, **extra})
    made.set_progress_bar_config(disable=True)
    for hidden in ("_all_hooks", "_offload_device", "_offload_gpu_id", "hf_device_map"):  # what offloading left there
        if hidden in vars(pipe):
            setattr(made, hidden, getattr(pipe, hidden))
    return made


def _gpu() -> str | None:
    """The GPU that pictures are drawn on, if there is any that torch can use."""
    import torch

    if has_cuda() and torch.cuda.is_available():
        free = [device.free for device in devices() if device.name.startswith("cuda")]
        return f"cuda:{free.index(max(free))}" if len(free) == torch.cuda.device_count() else "cuda:0"
    return "mps" if torch.backends.mps.is_available() else None


def _max_memory() -> dict[Any, str] | None:
    given = settings().max_memory
    return {int(key) if key.isdigit() else key: value for key, value in given.items()} or None
