"""Which make of Stable Diffusion a model is, told by its UNet's sizes, and what a form begins with for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.diffusion.catalog import PictureSource, local_path
from engine.diffusion.recipe import Scheduler
from engine.errors import BadInput
from engine.files import read_json, read_safetensors_header

_BY_TEXT_WIDTH = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_FIRST_WIDTH = 320
"""Channels of the first level of all three."""


@dataclass(frozen=True)
class Defaults:
    """What a picture is drawn with unless a person says otherwise."""

    width: int
    height: int
    steps: int
    guidance_scale: float
    scheduler: Scheduler


_BY_FAMILY: dict[str, tuple[int, int, float, Scheduler]] = {
    "sd1": (512, 25, 7.0, "dpmpp_2m_karras"),
    "sd2": (768, 25, 7.0, "dpmpp_2m"),
    "sdxl": (1024, 30, 6.0, "euler"),
    "other": (64, 20, 4.0, "ddim"),
}
"""Size, steps, guidance, scheduler."""


def family(source: PictureSource) -> str:
    """The family of a model: `sd1`, `sd2`, `sdxl`, or `other`, the same architecture in other sizes."""
    if source.kind == "file":
        assert source.path is not None
        return family_of_file(source.path)
    return family_of(local_path(source, weights=False))


def family_of(folder: Path) -> str:
    """The family of the pipeline in a folder."""
    return family_of_config(_unet_config(folder))


def family_of_config(unet: Any) -> str:
    """The family by a UNet's configuration."""
    if unet["block_out_channels"][0] != _FIRST_WIDTH:
        return "other"
    return _BY_TEXT_WIDTH.get(unet["cross_attention_dim"], "other")


def family_of_file(file: Path) -> str:
    """The family of a single-file checkpoint, by the shapes in its header.

    Raises:
        BadInput: the file is damaged.
    """
    try:
        header = read_safetensors_header(file)
        first = header["model.diffusion_model.input_blocks.0.0.weight"]["shape"][0]
        width = next(tensor["shape"][1] for key, tensor in header.items() if key.endswith("attn2.to_k.weight"))
    except (ValueError, KeyError, StopIteration, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=file.name) from error
    return _BY_TEXT_WIDTH.get(width, "other") if first == _FIRST_WIDTH else "other"


def defaults(source: PictureSource) -> Defaults:
    """What a form begins with for a model."""
    name = family(source)
    size, steps, guidance, scheduler = _BY_FAMILY[name]
    if source.kind != "file":
        size = _size(local_path(source, weights=False)) or size
    return Defaults(size, size, steps, guidance, scheduler)


def _size(folder: Path) -> int | None:
    """The size that the model learnt, in pixels."""
    sample = _unet_config(folder).get("sample_size")
    if not isinstance(sample, int):
        return None
    return sample * 2 ** (len(read_json(folder / "vae" / "config.json")["block_out_channels"]) - 1)


def _unet_config(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / "unet" / "config.json")
        family_of_config(config)
        return config
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=folder.name) from error
