"""Who may ask: API keys from the setting and a file, compared in constant time. Nothing here logs or shows one."""

import hmac
import ipaddress
from pathlib import Path

from engine.errors import BadInput
from engine.settings import settings


def read_keys(file: Path | None) -> list[bytes]:
    """All keys.

    Args:
        file: one key a line; None for those of the setting alone.

    Raises:
        BadInput: the file cannot be read, or what stands there can be no key.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file else []
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("{file} cannot be read: name a text file with one key a line.", file=file) from error
    words = [*settings().serve_keys, *(line.partition("#")[0] for line in lines)]
    keys = [word.strip() for word in words if word.strip()]
    if not all(key.isascii() and key.isprintable() and " " not in key and len(key) >= 8 for key in keys):
        raise BadInput("A key has at least eight letters, digits or signs of ASCII and no blanks: choose others.")
    if file and not keys:
        raise BadInput("{file} holds no key: write one a line.", file=file)
    return [key.encode() for key in keys]


def refuse_open_door(host: str, keys: list[bytes]) -> None:
    """Refuse to listen where others than this machine can ask, unless there are keys.

    Raises:
        BadInput: there are none.
    """
    if not keys and not is_loopback(host):
        raise BadInput(
            "On {host} anybody could use your models: set STUDIO_SERVE_KEYS or give --keys-file, or listen on 127.0.0.1.",
            host=host or "all addresses",
        )


def is_loopback(host: str) -> bool:
    """Whether a name or address always means this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def holder(authorization: bytes, keys: list[bytes]) -> int | None:
    """Which key a request came with, by its place in the list; None if with none of them.

    Args:
        authorization: the header, `Bearer KEY`.
        keys: those there are; each is compared, so that the time tells nothing.
    """
    scheme, _, key = authorization.partition(b" ")
    equal = [hmac.compare_digest(key.strip(), known) for known in keys]
    return equal.index(True) if scheme.lower() == b"bearer" and any(equal) else None
