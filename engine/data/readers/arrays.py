"""A JSON array, element by element, also one that is a member of an object, as in `{"data": […]}`.

Only finds where elements begin and end; what they say is `values`' business. So an element that is broken or too long costs
itself alone, where a parser of the whole document would end, and nothing is held beyond 16 MiB.
"""

import io
import re
from collections.abc import Generator, Iterator

from engine.data.readers.lines import TOO_LONG
from engine.data.readers.streams import LIMIT, read_chunk

Element = bytes | str
"""As it stands in the file, or the reason why it cannot be used."""

# the first way to read a string is the faster one, the second takes those with escaped quotes
_STRING = rb'"(?:[^"]*+(?<!\\)"|(?:[^"\\]++|\\.)*+")'
_FLAT = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+", re.DOTALL)
"""All up to the next bracket, or to a string whose end was not read yet."""
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_OPENING = re.compile(rb'\s*(?:\{(?:[^"\[\]{}]++|' + _STRING + rb")*+)?\[", re.DOTALL)
_OPENS, _QUOTE = b"[{", ord('"')


def split(stream: io.BufferedReader) -> Iterator[Element]:
    """The elements of the first array.

    Raises:
        EOFError: there is none, or it does not end.
    """
    data = read_chunk(stream)
    opening = _OPENING.match(data)
    if not opening:
        raise EOFError
    rest = yield from _elements(stream, data[opening.end() :])
    if re.search(rb"[\[{]", rest + read_chunk(stream)):
        yield "there is more in the file after its array, which is not read"


def _elements(stream: io.BufferedReader, data: bytes) -> Generator[Element, None, bytes]:
    """The elements; returns what was read beyond the array's end."""
    start = at = depth = 0  # where the element begins, what of it was looked at, and how many brackets are open
    too_long = False
    while True:
        at = _end(_FLAT, data, at)
        if at == len(data) or data[at] == _QUOTE:
            too_long = too_long or len(data) - start > LIMIT
            if too_long:  # nothing of it is kept
                data, start, at = _beyond(stream, data[at:]), 0, 0
            else:
                # twice as much each time, because a string is looked at from its beginning each time
                data, start, at = data[start:] + _more(stream, len(data) - start), 0, at - start
        elif data[at] in _OPENS:
            if depth == 0:
                if gap := _gap(data[start:at], too_long):
                    yield gap
                start, too_long = at, False
            depth, at = depth + 1, at + 1
        else:
            at, depth = at + 1, depth - 1
            if depth < 0:
                if gap := _gap(data[start : at - 1], too_long):
                    yield gap
                return data[at:]
            if depth == 0:
                yield TOO_LONG if too_long or at - start > LIMIT else data[start:at]
                start, too_long = at, False


def _gap(between: bytes, too_long: bool) -> str | None:
    """What is wrong with what stands between two elements, all in all: it should be a comma."""
    if too_long:
        return TOO_LONG
    return "there is something other than an object in the array" if between.strip(b" \t\r\n,") else None


def _beyond(stream: io.BufferedReader, data: bytes) -> bytes:
    """What comes after the string that `data` begins with, however long that is; after nothing, what comes next."""
    if not data:
        return _more(stream)
    at = 1
    while (end := _end(_IN_STRING, data, at)) == len(data) or data[end] != _QUOTE:
        data, at = data[end:] + _more(stream), 0
    return data[end + 1 :]


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at


def _more(stream: io.BufferedReader, size: int = 0) -> bytes:
    data = read_chunk(stream, size)
    if not data:
        raise EOFError
    return data
