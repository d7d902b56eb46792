"""Names that become paths, and files that appear whole.

Every name from outside passes `check_name` before it touches a path; every file that another process may read is written
under a temporary name in the same folder and renamed.
"""

import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import BadInput

NAME = re.compile(r"\w[\w.-]{0,79}")


def check_name(name: str) -> str:
    """The name itself, if it is a plain one: letters of any script, digits, `_`, `-` and `.`, at most 80.

    Raises:
        BadInput: the name could leave its folder, hide a file, or is too long.
    """
    if not NAME.fullmatch(name) or ".." in name or name.endswith(".") or len(name.encode()) > 200:
        raise BadInput(
            "“{name}” cannot be a name: use letters, digits, - and _, at most 80 of them, starting with a letter or digit.",
            name=name[:100],
        )
    return name


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path`, to be written to, that takes its place when the block ends without an error."""
    # not tempfile's, which its owner alone may read; a name has at most 255 bytes
    temporary = path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}"
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """`write_text` for a JSON document."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """The JSON document at `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON value a line; the file appears whole."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_jsonl(path: Path) -> Iterator[Any]:
    """What stands in the lines of such a file, one at a time; nothing if there is no file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def read_tail(path: Path, lines: int = 200) -> str:
    """The last lines of a text file, reading no more than its end; empty if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        # most lines are shorter than this; longer ones make the tail shorter
        file.seek(max(0, path.stat().st_size - 400 * lines))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def refuse_file(file: Path) -> None:
    """Refuse a file to be made that is there already, or whose folder is not.

    Raises:
        BadInput: either.
    """
    if file.exists():
        raise BadInput("There is already a file “{file}”: choose another name, or delete that one first.", file=file)
    refuse_no_folder(file.parent)


def refuse_no_folder(folder: Path) -> None:
    """Refuse a folder to write to that is not there.

    Raises:
        BadInput: it is not.
    """
    if not folder.is_dir():
        raise BadInput("There is no folder “{folder}” to write to: make it first.", folder=folder)


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_safetensors_header(path: Path) -> dict[str, dict[str, Any]]:
    """Name, dtype, shape and place of each tensor in a safetensors file (https://github.com/huggingface/safetensors#format).

    Raises:
        ValueError: it is no such file, or it is cut short.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= 100_000_000:
            raise ValueError("no safetensors header")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    if path.stat().st_size != 8 + length + end:
        raise ValueError("the file is cut short")
    return header
