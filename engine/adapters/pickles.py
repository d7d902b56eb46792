"""Tells a pickle by its name and by its content: loading one runs whatever code is in it, so none is ever opened."""

import zipfile
from pathlib import Path

from engine.errors import BadInput
from engine.files import read_safetensors_header

_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def refuse_pickle(file: Path) -> None:
    """Refuse a file that is a pickle, whatever it is called.

    Raises:
        BadInput: its suffix or its content says so.
    """
    if file.suffix in _SUFFIXES or (file.is_file() and _is_pickle(file)):
        raise BadInput(
            "The weights in {file} are a pickle, which can run code when it is opened: convert them to safetensors first.",
            file=file.name,
        )


def _is_pickle(file: Path) -> bool:
    with file.open("rb") as opened:
        start = opened.read(2)
    if start == b"PK":  # torch.save writes a zip with a pickle in it
        return zipfile.is_zipfile(file) and any(
            Path(name).name in ("data.pkl", "constants.pkl") for name in zipfile.ZipFile(file).namelist()
        )
    if not (start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        return False
    try:  # the same two bytes may begin the length of a safetensors header
        read_safetensors_header(file)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True
    return False
