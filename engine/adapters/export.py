"""An adapter as one file to hand on: the PEFT files and `studio.json` in a zip. Weights are copied, never opened."""

import os
import tempfile
import zipfile
from pathlib import Path

from engine.adapters.store import CARD, CONFIG, WEIGHTS, check_files, read_adapter
from engine.files import refuse_file


def export_peft(name: str, out: Path) -> int:
    """Write a zip that unpacks to a folder in PEFT's layout, which `adapters import` and PEFT itself read.

    Args:
        name: the adapter.
        out: the file to write; it appears whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        BadInput: there is no such adapter of language models, the file exists, or its folder does not.
    """
    adapter = read_adapter(name)
    check_files(adapter.path, name)
    refuse_file(out)
    descriptor, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w") as zipped:  # stored as they are: weights do not get smaller
                for part in (CONFIG, WEIGHTS):
                    zipped.write(adapter.path / part, part)
                zipped.writestr(CARD, adapter.card.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return out.stat().st_size
