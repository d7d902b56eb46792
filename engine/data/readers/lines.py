"""JSON lines: one object a line. Only finds the lines; what they say is `values`' business."""

import io
from collections.abc import Iterator

from engine.data.readers.streams import read_line

TOO_LONG = "the row is longer than 16 MiB"


def split(stream: io.BufferedReader) -> Iterator[bytes | str | None]:
    """The lines: bytes, the reason why there are none, or None for an empty line."""
    while (line := read_line(stream)) != b"":
        if line is None:
            yield TOO_LONG
        else:
            yield None if line.isspace() else line
