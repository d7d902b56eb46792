"""Makes the starter chat model's folder from the GGUF file that its Python package carries.

Runs once on a fresh machine (half a minute); the package is never imported, only its file is read.
"""

import importlib.metadata
import shutil
import tempfile
from pathlib import Path

from engine.errors import Failure
from engine.models.catalog import STARTER, STARTER_PACKAGE, STARTER_TITLE
from engine.settings import settings


def materialise() -> Path:
    """The starter's folder, made on the first call: bf16 safetensors, tokenizer and chat template.

    Raises:
        Failure: the package that carries the weights is not installed.
    """
    folder = settings().models / STARTER
    if (folder / "config.json").exists():
        return folder
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".starter."))
    try:
        _convert(_packaged_gguf(), temporary)
        temporary.chmod(0o755)
        temporary.replace(folder)
    except OSError:
        if not (folder / "config.json").exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _packaged_gguf() -> Path:
    try:
        files = importlib.metadata.files(STARTER_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise Failure("The starter model is not installed: run `make setup`.")


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    settings_of_model = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    config = type(loaded.config)(**settings_of_model)
    config.name_or_path = STARTER_TITLE
    # the loaded model counts as quantised and refuses save_pretrained; a fresh one with its weights does not
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
