"""Loads a whole Stable Diffusion from one `.safetensors` file, as A1111 and most sites hand them on.

Such a file has weights only. Configuration and tokenizer come from a folder of the same family that lies here, so that no
network is needed; else from the hub.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.diffusion import catalog
from engine.diffusion.catalog import INDEX, PictureSource
from engine.diffusion.families import family_of, family_of_file
from engine.errors import BadInput, Failure
from engine.files import read_json, read_safetensors_header

if TYPE_CHECKING:
    import torch

_FIRST = "model.diffusion_model.input_blocks.0.0.weight"
_LISTENING = "attn2.to_k.weight"
_ON_THE_HUB = {
    "sd1": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sd2": "stabilityai/stable-diffusion-2-1",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
}


def load_file(source: PictureSource, dtype: "torch.dtype") -> Any:
    """The pipeline in a file, on the CPU.

    Raises:
        BadInput: it is no Stable Diffusion, or damaged.
        Failure: its configuration must come from the hub, which cannot be reached.
    """
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline

    assert source.path is not None
    folder = config_folder(source)
    xl = (folder / "text_encoder_2").is_dir()
    kind: Any = StableDiffusionXLPipeline if xl else StableDiffusionPipeline
    extra = {"add_watermarker": False} if xl else {"safety_checker": None, "requires_safety_checker": False}
    try:
        return kind.from_single_file(str(source.path), config=str(folder), dtype=dtype, local_files_only=True, **extra)
    except (ValueError, KeyError, RuntimeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=source.name) from error


def config_folder(source: PictureSource) -> Path:
    """The folder whose configuration and tokenizer fit a file: one beside it, another model's here, or the hub's.

    Raises:
        BadInput: the file is no Stable Diffusion that is known.
        Failure: the hub cannot be reached.
    """
    assert source.path is not None
    beside = source.path.with_suffix("")
    if (beside / INDEX).is_file():
        return beside
    kind, shape = family_of_file(source.path), _shape_of_file(source.path)
    for other in catalog.list_models():
        folder = other.path
        if other.kind == "file" or folder is None or not (folder / INDEX).is_file():
            continue
        if family_of(folder) == kind and _shape_of_folder(folder) == shape:
            return folder
    if kind not in _ON_THE_HUB:
        raise BadInput(
            "“{name}” is a model of unknown sizes: put a folder with its configuration (model_index.json, tokenizer and so on) "
            "beside it, called {folder}.",
            name=source.name,
            folder=beside.name,
        )
    return _from_hub(kind, source.name, beside.name)


def _shape_of_file(file: Path) -> tuple[Any, ...]:
    header = read_safetensors_header(file)
    width = next(tensor["shape"][1] for key, tensor in header.items() if key.endswith(_LISTENING))
    return (*header[_FIRST]["shape"][:2], width)


def _shape_of_folder(folder: Path) -> tuple[Any, ...]:
    config = read_json(folder / "unet" / "config.json")
    return config["block_out_channels"][0], config["in_channels"], config["cross_attention_dim"]


@lru_cache(maxsize=8)
def _from_hub(kind: str, name: str, beside: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["**/*.json", "*.json", "**/*.txt"]
    try:
        return Path(snapshot_download(_ON_THE_HUB[kind], allow_patterns=patterns))
    except Exception as error:
        raise Failure(
            "A .safetensors file has no configuration, and that of “{name}” could not be had from the hub ({reason}): connect "
            "to the network once, or put the folder of another model of its kind under var/models, or one called {folder} beside it.",
            name=name,
            reason=type(error).__name__,
            folder=beside,
        ) from error
