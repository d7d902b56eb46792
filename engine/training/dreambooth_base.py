"""The picture model that DreamBooth teaches: which sizes it takes, and its pipeline ready for training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.diffusion.catalog import PictureSource, local_path
from engine.diffusion.single_file import config_folder
from engine.errors import BadInput
from engine.files import read_json

if TYPE_CHECKING:
    import torch


def divisor(source: PictureSource) -> int:
    """What sides of its pictures should be multiples of, so that every level of the UNet halves them evenly: 64 for SD 1.5."""
    folder = configuration(source)
    try:
        levels = [read_json(folder / part / "config.json")["block_out_channels"] for part in ("vae", "unet")]
        return 2 ** sum(len(widths) - 1 for widths in levels)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=source.name) from error


def configuration(source: PictureSource) -> Path:
    """The folder with the configuration of a model's parts; no weights are downloaded."""
    return config_folder(source) if source.kind == "file" else local_path(source, weights=False)


def load_base(source: PictureSource, dtype: "torch.dtype", device: "torch.device") -> Any:
    """Its pipeline with all parts whole on one device, as a training needs it."""
    from engine.diffusion.pipelines import load_folder
    from engine.diffusion.single_file import load_file

    pipe = load_file(source, dtype) if source.kind == "file" else load_folder(local_path(source), dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)
