"""The sections and pipe tables of a Markdown text, by their places in it.

Only what the splitter needs is told: `#` headings, fences of code, tables with a header. Nothing is changed or rendered.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SEPARATOR = re.compile(r":?-+:?")
_MOST_HEADING = 120


@dataclass
class Table:
    """A pipe table: where it begins and ends, and where each row below its header begins."""

    start: int
    end: int
    rows: list[int]


@dataclass
class Section:
    """What stands under one heading, with the heading's line; or what stands before the first."""

    start: int
    end: int
    heading: str
    """The headings above it and its own, `A › B`."""

    tables: list[Table] = field(default_factory=list)
    body: int = 0
    """Where its first line begins that is no heading; 0 if there is none."""


def sections(text: str) -> Iterator[Section]:
    """The sections of a text in their order. A heading without text of its own belongs to the deeper section after it."""
    section = Section(0, 0, "")
    path: list[tuple[int, str]] = []
    bare = True  # nothing but headings so far
    table = _Tables(section)
    for start, end, line, code in _lines(text):
        found = None if code else _HEADING.fullmatch(line)
        if found:
            level = len(found[1])
            deeper = not path or level > path[-1][0]
            path = [(above, words) for above, words in path if above < level]
            path.append((level, _shortened(found[2])))
            if not (bare and deeper):
                yield section
                section = Section(start, start, "")
            section.heading = " › ".join(words for _, words in path)
            table = _Tables(section)
            bare = True
        elif line.strip():
            section.body = start if bare else section.body
            bare = False
        table.take(start, end, "" if code or found else line)
        section.end = end
    yield section


def _lines(text: str) -> Iterator[tuple[int, int, str, bool]]:
    """Each line with its place, and whether it is code."""
    start, fence = 0, ""
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].rstrip("\n")
        mark = _FENCE.fullmatch(line)
        inside = bool(fence)
        if mark and not fence and not (mark[1][0] == "`" and "`" in mark[2]):
            fence, inside = mark[1], True
        elif mark and fence and mark[1].startswith(fence) and not mark[2].strip():
            fence = ""
        yield start, end, line, inside
        start = end


class _Tables:
    """Finds the tables among the lines of a section."""

    def __init__(self, section: Section):
        self._section = section
        self._before = (0, "")
        self._table: Table | None = None

    def take(self, start: int, end: int, line: str) -> None:
        """The next line; empty for one that belongs to no table."""
        stop = start + len(line)
        if self._table and "|" in line and line.strip():
            self._table.rows.append(start)
            self._table.end = stop
            if len(self._table.rows) == 1:
                self._section.tables.append(self._table)
            return
        self._table = None
        if "|" in line and "|" in self._before[1] and _separates(line):
            self._table = Table(self._before[0], stop, [])
        self._before = (start, line)


def _separates(line: str) -> bool:
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return all(_SEPARATOR.fullmatch(cell.strip()) for cell in cells)


def _shortened(words: str) -> str:
    words = words.rstrip()
    bare = words.rstrip("#")
    words = bare.rstrip() if bare[-1:].isspace() else words  # `## Title ##`
    return words if len(words) <= _MOST_HEADING else words[: _MOST_HEADING - 1] + "…"
