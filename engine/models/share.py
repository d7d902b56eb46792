"""Takes a merged model elsewhere: as a GGUF file for llama.cpp, by its own converter, or to a hub. Makes no model itself."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from engine.errors import BadInput, Failure
from engine.files import refuse_file

CONVERTERS = ("convert_hf_to_gguf.py", "convert-hf-to-gguf")


def find_converter() -> str:
    """llama.cpp's converter.

    Raises:
        BadInput: it is not installed.
    """
    found = next((path for name in CONVERTERS if (path := shutil.which(name))), None)
    if found is None:
        raise BadInput(
            "There is no {program} on the PATH: get llama.cpp (https://github.com/ggml-org/llama.cpp), install its "
            "requirements, and put its folder on the PATH.",
            program=CONVERTERS[0],
        )
    return found


def to_gguf(folder: Path, file: Path) -> None:
    """Convert a merged model for llama.cpp; the file appears whole or not at all.

    Args:
        folder: what `fuse` made.
        file: the GGUF file to make.

    Raises:
        BadInput: the converter is not installed, the file exists, or its folder does not.
        Failure: the converter gave up; what it said is on standard error.
    """
    converter = find_converter()
    refuse_file(file)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as made:
        temporary = Path(made) / file.name
        words = [converter, str(folder.resolve()), "--outfile", str(temporary.resolve()), "--outtype", "auto"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if done.returncode or not temporary.exists():
            raise Failure(
                "{program} could not convert the model, and says why above; the merged model in {folder} is whole.",
                program=Path(converter).name,
                folder=folder,
            )
        temporary.replace(file)


def check_repository(name: str) -> None:
    """Refuse what cannot be the name of a repository on a hub.

    Raises:
        BadInput: it cannot.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise BadInput("“{name}” cannot be a repository: write it as owner/name.", name=name[:200]) from error


def upload(folder: Path, repository: str) -> str:
    """Put a merged model on the hub, in a private repository that is made if need be.

    Args:
        folder: what `fuse` made.
        repository: `owner/name`, or `name` for the account that is signed in.

    Returns:
        Its address.

    Raises:
        BadInput: it cannot be the name of a repository.
        Failure: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    check_repository(repository)
    try:
        hub = HfApi()
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(folder_path=folder, repo_id=address.repo_id)
    except Exception as error:  # httpx's, the hub's own, or the system's
        raise Failure(
            "The model could not be uploaded as “{name}” ({reason}): check the name, the network, and that you are signed in "
            "(`hf auth login`); the merged model in {folder} is whole.",
            name=repository,
            reason=type(error).__name__,
            folder=folder,
        ) from error
    return str(address)
