"""The marks in a text that look like citations: `[1]`, `[1][2]`, `[1, 2]`, `[1-3]`, `【1】`, `［1］`, `[^1]`, `[Passage 1]`.

Finds every way of writing that a reader would take for a citation, also with Markdown or invisible signs within; whether one is
right is for others to say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# emphasis, escapes, blanks and signs without width do not make a citation look like anything else
_GAP = r"[\s*_`~^#\\\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]{0,6}"
_WORD = r"(?:passages?|sources?|documents?|docs?|refs?|references?|citations?|段落|片段|资料|来源|文档|引用|参考|第)?"
_JOIN = r"(?:[,，、;；&+/\-–—]|and|to|和|与|及|至)?"
_NOTE = r"(?:[段页条号篇]|[,，:：†|(（][^\[\]【】［］\n]{0,60})?"
_MARKER = re.compile(
    rf"\\?[\[［【〔〖]{{1,2}}{_GAP}{_WORD}\.?{_GAP}\d+(?:{_GAP}{_JOIN}{_GAP}{_WORD}{_GAP}\d+){{0,20}}{_GAP}{_NOTE}{_GAP}[\]］】〕〗]{{1,2}}",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"(\d+)(?:\s*[-–—至]\s*(\d+))?")
_NOTED = re.compile(r"[,，:：†|(（]\s*[^\d\s\[\]]")
_BRACKETS = "\\[［【〔〖]］】〕〗"
_MOST_DIGITS = 6
_LONGEST_RANGE = 20


@dataclass(frozen=True)
class Marker:
    """One mark and where it stands."""

    start: int
    end: int
    numbers: tuple[int, ...]
    """Each once, in their order."""


def markers(text: str) -> Iterator[Marker]:
    """The marks of a text in their order."""
    for found in _MARKER.finditer(text):
        yield Marker(found.start(), found.end(), _numbers(found.group()))


def numbers_of(text: str) -> list[int]:
    """Every number that a text cites, each once, in the order of their first appearance."""
    return list(dict.fromkeys(number for marker in markers(text) for number in marker.numbers))


def without_markers(text: str) -> str:
    """The text with its marks taken out, and the blanks before them."""
    kept, place = [], 0
    for marker in markers(text):
        kept.append(text[place : marker.start].rstrip(" \t"))
        place = marker.end
    return "".join([*kept, text[place:]])


def defused(text: str) -> str:
    """The text with its marks in round brackets, so that nobody takes them for citations: `[3]` becomes `(3)`."""
    return _MARKER.sub(lambda found: f"({found.group().strip(_BRACKETS)})", text)


def _numbers(mark: str) -> tuple[int, ...]:
    noted = _NOTED.search(mark)  # `[1, p. 3]` cites 1
    found: list[int] = []
    for first, last in _NUMBERS.findall(mark[: noted.start()] if noted else mark):
        low, high = _number(first), _number(last) if last else _number(first)
        found += range(low, high + 1) if low <= high <= low + _LONGEST_RANGE else (low, high)
    return tuple(dict.fromkeys(found))


def _number(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
