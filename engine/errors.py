"""Errors that a person can act on.

Each carries one English sentence with named gaps; the pages translate the sentence before they fill the gaps, the command
line prints it as it is. Bugs are not raised through here.
"""

import errno


class StudioError(Exception):
    """One sentence for the person who asked, for example ``BadInput("There is no adapter called {name}.", name=n)``.

    Args:
        sentence: the English sentence; the key of its translation.
        values: what fills the gaps.
    """

    exit_code = 1

    def __init__(self, sentence: str, **values: object):
        super().__init__(sentence.format(**values) if values else sentence)
        self.sentence = sentence
        self.values = values


class BadInput(StudioError):
    """What was asked for cannot be done as asked (exit code 2)."""

    exit_code = 2


class Failure(StudioError):
    """The request was fine, the machine or the run was not (exit code 1)."""


class Busy(Failure):
    """Too much is waiting already: the same request may do in a moment."""


DISK_FULL = "The disk is full: free some space and try again. Everything written before this is still there."
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception, or one it was raised from, says that the disk, the quota or the file limit is exhausted."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return True
        # safetensors, Arrow and SQLite report the same condition in words only
        words = str(seen)
        if any(f"os error {code}" in words or f"[errno {code}]" in words for code in _FULL):
            return True
        if "No space left on device" in words or "database or disk is full" in words:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
