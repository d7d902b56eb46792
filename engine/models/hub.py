"""Models on the hub, of chat and of pictures: what their ids look like, and the one sentence where one cannot be had."""

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from engine.errors import Failure

_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def is_id(name: str) -> bool:
    """Whether a name is a hub id such as `Qwen/Qwen3-4B`, and no path of this machine."""
    return bool(_ID.fullmatch(name)) and ".." not in name and not Path(name).exists()


def fetched(name: str, fetch: Callable[[], str | Path]) -> Path:
    """Where the files of a model lie that is fetched from the hub.

    Raises:
        Failure: it cannot be had.
    """
    try:
        return Path(fetch())
    except Exception as error:
        raise Failure(
            "“{name}” could not be had from the hub ({reason}): check the name and the network, or put its folder under var/models.",
            name=name,
            reason=type(error).__name__,
        ) from error


def fingerprint(weights: Iterable[Path]) -> str:
    """Sixteen hex digits that stay the same wherever a model lies: names, shapes and first megabyte of its weights."""
    return _fingerprint(tuple((path, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in weights))


@lru_cache(maxsize=64)
def _fingerprint(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Of files as they were changed last: every request with an adapter asks for it."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
    return digest.hexdigest()[:16]
