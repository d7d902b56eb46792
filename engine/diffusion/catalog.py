"""Which picture models there are: the starter, folders, single checkpoint files, hub ids; and where their files lie.

The only module that knows the starter's name. It reads headers and JSON; weights are loaded elsewhere.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.adapters.pickles import refuse_pickle
from engine.errors import BadInput, Failure
from engine.files import read_json, read_safetensors_header
from engine.models import hub
from engine.settings import settings

STARTER = "starter"
STARTER_FOLDER = Path(__file__).resolve().parent / "starter"
INDEX = "model_index.json"
WEIGHT_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
_IN_CHECKPOINT = "model.diffusion_model."
"""How the names of a UNet's weights begin in a single-file checkpoint."""
_PIPELINES = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
}
_CLASSES = {
    "unet": {"UNet2DConditionModel"},
    "vae": {"AutoencoderKL", "AutoencoderTiny"},
    "text_encoder": {"CLIPTextModel"},
    "text_encoder_2": {"CLIPTextModelWithProjection"},
    "tokenizer": {"CLIPTokenizer", "CLIPTokenizerFast"},
    "tokenizer_2": {"CLIPTokenizer", "CLIPTokenizerFast"},
}
"""What a pipeline may be made of. diffusers imports whatever classes a folder names, so others are refused."""
_IGNORED = {"safety_checker", "feature_extractor", "image_encoder", "scheduler"}


@dataclass(frozen=True)
class PictureSource:
    """A picture model by name, and how its files are had."""

    name: str
    kind: str
    """`starter`, `folder`, `file` or `hub`."""
    path: Path | None
    """Its folder or file; None for a hub id, whose files come with `local_path`."""


def list_models() -> list[PictureSource]:
    """What a page can offer without asking any hub: the starter, then folders and files in the models' folders."""
    starter = PictureSource(STARTER, "starter", STARTER_FOLDER)
    found = {STARTER: starter} if (STARTER_FOLDER / INDEX).is_file() else {}
    for parent in [settings().models, *settings().model_folders]:
        for path in sorted(parent.iterdir()) if parent.is_dir() else []:
            if (path / INDEX).is_file():
                found.setdefault(path.name, PictureSource(path.name, "folder", path))
            elif is_checkpoint(path):
                found.setdefault(path.name, PictureSource(path.name, "file", path))
    return list(found.values())


def resolve(name: str | None, paths: bool = True) -> PictureSource:
    """The source that a name stands for.

    Args:
        name: a listed model, a hub id such as `stabilityai/stable-diffusion-xl-base-1.0`, or the path of a folder or of a
            `.safetensors` file; None for the default model.
        paths: whether a path is accepted; a page, which takes names from strangers, passes False.

    Raises:
        BadInput: the name stands for nothing, or for a pickle.
        Failure: the starter's files are missing.
    """
    name = name or settings().picture_model
    for source in list_models():
        if source.name == name:
            return source
    if name == STARTER:
        raise Failure(
            "The starter picture model is missing ({folder}): fetch the project again, or name another model in "
            "STUDIO_PICTURE_MODEL.",
            folder=STARTER_FOLDER,
        )
    path = Path(name)
    if paths or name == settings().picture_model:
        if (path / INDEX).is_file():
            return PictureSource(name, "folder", path.resolve())
        if path.is_file():
            refuse_pickle(path)
            if is_checkpoint(path):
                return PictureSource(name, "file", path.resolve())
    if hub.is_id(name):
        return PictureSource(name, "hub", None)
    raise BadInput(
        "There is no picture model “{name}”: use `starter`, the name of a folder or file under var/models, a folder with a "
        "model_index.json, a checkpoint as .safetensors, or a hub id.",
        name=name[:200],
    )


def local_path(source: PictureSource, weights: bool = True) -> Path:
    """The folder or file of a model, checked; a hub model's is downloaded.

    Args:
        source: the model.
        weights: False if configuration and tokenizer are enough, which spares a hub model's download.

    Raises:
        BadInput: it is no Stable Diffusion, or its weights are not safetensors.
        Failure: the hub cannot be reached.
    """
    path = source.path or _download(source.name, weights)
    if source.kind != "file":
        check_folder(path, source.name, weights)
    return path


def check_folder(folder: Path, name: str, weights: bool = True) -> None:
    """Refuse a folder that is no Stable Diffusion pipeline of ordinary parts, or whose weights are no safetensors.

    Raises:
        BadInput: it is none.
    """
    try:
        index: dict[str, Any] = read_json(folder / INDEX)
        named = {part: value for part, value in index.items() if isinstance(value, list) and value[0] is not None}
        strange = [f"{part}: {value[1]}" for part, value in named.items() if value[1] not in _allowed(part, value)]
    except (OSError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise BadInput("The files of the model “{name}” are damaged: fetch them again.", name=name) from error
    if index.get("_class_name") not in _PIPELINES:
        strange.append(str(index.get("_class_name")))
    if strange:
        raise BadInput(
            "“{name}” is no Stable Diffusion 1.5, 2.1 or XL ({what}): choose one of those or a fine-tune of one.",
            name=name,
            what=", ".join(strange)[:200],
        )
    for part in set(WEIGHT_PARTS) & set(named) if weights else ():
        if not weight_files(folder / part):
            for file in sorted((folder / part).glob("*")):
                refuse_pickle(file)
            raise BadInput(
                "“{name}” has no safetensors weights in {part}, and other formats can run code when they are opened: "
                "convert it to safetensors first.",
                name=name,
                part=part,
            )


def _allowed(part: str, value: list[Any]) -> set[Any]:
    if part == "scheduler":
        return {value[1]} if value[0] == "diffusers" else set()
    if part in _IGNORED:
        return {value[1]}
    return _CLASSES.get(part, set()) if value[0] in ("diffusers", "transformers") else set()


def weight_files(folder: Path) -> list[Path]:
    """A part's safetensors files that are loaded: those in half precision only where there are no others."""
    files = sorted(folder.glob("*.safetensors"))
    return [file for file in files if ".fp16." not in file.name] or files


def variant(folder: Path) -> str | None:
    """What diffusers calls the kind of weights in a folder: `fp16` if there are no others."""
    return "fp16" if all(".fp16." in file.name for file in weight_files(folder / "unet")) else None


def weights_of(source: PictureSource) -> list[Path]:
    """All files of weights that a model is loaded from."""
    path = local_path(source)
    return [path] if source.kind == "file" else [file for part in WEIGHT_PARTS for file in weight_files(path / part)]


def fingerprint(source: PictureSource) -> str:
    """Of its weights: the same wherever the model lies."""
    return hub.fingerprint(weights_of(source))


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a whole Stable Diffusion as one safetensors file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    stat = path.stat()
    return _has_unet(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _has_unet(path: Path, modified: int, size: int) -> bool:
    try:
        return any(key.startswith(_IN_CHECKPOINT) for key in read_safetensors_header(path))
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return False


def _download(name: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    if weights:
        return hub.fetched(name, lambda: _download_weights(name))
    return hub.fetched(name, lambda: snapshot_download(name, allow_patterns=["**/*.json", "*.json", "**/*.txt"]))


def _download_weights(name: str) -> str:
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    def download(kind: str | None) -> str:
        return DiffusionPipeline.download(name, variant=kind, use_safetensors=True, safety_checker=None)  # type: ignore[arg-type]

    try:
        return download(_variant())
    except (ValueError, OSError):  # it has no weights in half precision
        return download(None)


def _variant() -> str | None:
    """Half precision where that is what will be loaded: half the download."""
    from engine.diffusion.pipelines import picture_dtype

    return "fp16" if picture_dtype().itemsize == 2 else None
