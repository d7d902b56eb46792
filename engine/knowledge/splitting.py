"""Pages of text become chunks that know where they stand.

A chunk is cut where a reader would pause: between sections, paragraphs, lines, sentences, clauses, words, in this order, and in
Chinese too, where no blanks help. Nothing of the text is lost, and nothing is changed but the blanks around a chunk and the header
that a continued table begins with.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from engine.knowledge.loaders.page import Page
from engine.knowledge.sections import Section, Table, sections


class Splitter(BaseModel):
    """How documents are split."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(default=500, ge=50, le=8000, description="Characters that a chunk has at most.")
    overlap: int = Field(
        default=50,
        ge=0,
        description="Characters at most that a chunk repeats from the one before it; less than half of the size.",
    )

    @field_validator("overlap")
    @classmethod
    def _less_than_half(cls, overlap: int, info: ValidationInfo) -> int:
        size = info.data.get("size")
        if size is not None and overlap >= size / 2:
            raise PydanticCustomError("less_than", "must be less than {lt}", {"lt": (size + 1) // 2})
        return overlap


@dataclass
class Chunk:
    """A piece of a document."""

    text: str
    """What is searched and shown: the document's own characters; a piece that continues a table has its header before them."""

    heading: str
    """The Markdown headings it stands under, `A › B`; empty if there are none."""

    start: int
    """Where it begins in the document's text."""

    end: int
    page: int | None
    """Number of the page it stands on."""

    line: int
    """Where it begins on its page, in lines from 1."""


def document_text(pages: list[Page]) -> str:
    """The text that chunks' offsets count in."""
    return "\n\n".join(page.text for page in pages)


def split(pages: list[Page], splitter: Splitter, markdown: bool) -> list[Chunk]:
    """The chunks of a document in its order; none is on two pages. `markdown` says whether headings and tables are told."""
    chunks: list[Chunk] = []
    before = 0
    for page in pages:
        whole = Section(0, len(page.text), "", [])
        counted, line = 0, 1
        for section in sections(page.text) if markdown else [whole]:
            for piece in _pieces(page.text, section, splitter):
                line += page.text.count("\n", counted, piece.start)
                counted = piece.start
                text = piece.header + page.text[piece.start : piece.end]
                chunks.append(
                    Chunk(text, section.heading, before + piece.start, before + piece.end, page.number, line),
                )
        before += len(page.text) + 2
    return chunks


@dataclass
class _Piece:
    start: int
    end: int
    header: str = ""


def _pieces(text: str, section: Section, splitter: Splitter) -> Iterator[_Piece]:
    """A section's pieces: one if it is small; otherwise big tables by rows, and what stands between them by its pauses."""
    start, end = _trim(text, section.start, section.end)
    if end - start <= splitter.size:
        yield from [_Piece(start, end)] if start < end else []
        return
    kept: list[Table] = []
    for table in section.tables:
        if table.end - table.start <= splitter.size:
            kept.append(table)
        elif table.rows[0] - table.start <= splitter.size:
            lead = _lead(text, start, table, splitter)
            yield from _Run(text, start, lead, kept, splitter).pieces(section.body)
            yield from _table_pieces(text, lead, table, splitter)
            start, kept = table.end, []
    yield from _Run(text, start, end, kept, splitter).pieces(section.body)


def _lead(text: str, start: int, table: Table, splitter: Splitter) -> int:
    """Where the first piece of a table begins: with what is before it, if that is no more than a heading or a line."""
    first, last = _trim(text, start, table.start)
    return first if first < last and table.start - first <= splitter.size // 4 else table.start


def _table_pieces(text: str, lead: int, table: Table, splitter: Splitter) -> Iterator[_Piece]:
    """As many rows as fit in each piece; a row that does not fit in one is cut."""
    header = text[table.start : table.rows[0]]
    # a broad header must leave room for rows
    room = max(splitter.size - len(header), splitter.size // 2)
    start, first, limit = table.rows[0], True, room - (table.start - lead)
    for row, after in zip(table.rows, [*table.rows[1:], table.end + 1], strict=True):
        if start < row and after - 1 - start > limit:
            yield _table_piece(text, lead if first else start, row, "" if first else header)
            start, first, limit = row, False, room
        if after - 1 - start > limit:
            small = Splitter.model_construct(size=max(limit, 1), overlap=0)
            for piece in _Run(text, start, after - 1, [], small).pieces():
                yield _Piece(lead, piece.end) if first else _Piece(piece.start, piece.end, header)
                first = False
            start, limit = after, room
    if start < table.end:
        yield _table_piece(text, lead if first else start, table.end, "" if first else header)


def _table_piece(text: str, start: int, end: int, header: str) -> _Piece:
    return _Piece(*_trim(text, start, end), header)


_CLOSING = "[”』」’）)】》\"']*"
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_SENTENCES, _CLAUSES, _WORDS = 2, 3, 4
_PAUSES = [
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile(r"\n"),
    re.compile(
        rf"[。！？；…]+{_CLOSING}"
        # neither the number of an item nor an abbreviation ends a sentence
        rf"|(?<!\n\d)(?<!\n\d\d)(?<!\b[A-Z])(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\be\.g)(?<!\bi\.e)"
        # possessive, and from the first sign of several only: a million dots must not take a million squared steps
        rf"(?<![.!?])[.!?]++{_CLOSING}+(?=\s)"
        rf"|(?<![!?])[!?]++{_CLOSING}+(?=[{_CJK}])"
    ),
    re.compile(rf"[，、：]|[,;:](?=[\s{_CJK}])"),
    re.compile(r"\s+"),
]
_SPACE = re.compile(r"\s*")


class _Run:
    """Text between two places that is cut into overlapping pieces. Tables in it are cut only if they stand in no piece whole."""

    def __init__(self, text: str, start: int, end: int, tables: list[Table], splitter: Splitter):
        self._text = text
        self._start, self._end = _trim(text, start, end)
        self._size, self._overlap = splitter.size, splitter.overlap
        self._starts = [table.start for table in tables]
        self._ends = [table.end for table in tables]
        small = self._end - self._start <= self._size
        self._cuts = [] if small else [self._places(pause) for pause in _PAUSES]

    def pieces(self, body: int = 0) -> Iterator[_Piece]:
        """The pieces in their order; the first goes beyond `body`, where the text under a heading begins, if it can."""
        start, fresh = self._start, self._start
        if start < body < min(start + self._size // 2, self._end) and not self._in_table(body, begins=True):
            fresh = body
        while fresh < self._end:
            end = self._cut(start, fresh)
            yield _Piece(*_trim(self._text, start, end))
            fresh = self._after_blanks(end)
            start = self._after_blanks(self._overlapping(start, end, fresh))

    def _places(self, pause: re.Pattern[str]) -> list[int]:
        places = [found.end() for found in pause.finditer(self._text, self._start, self._end)]
        return [place for place in places if not self._in_table(place)] if self._starts else places

    def _in_table(self, place: int, begins: bool = False) -> bool:
        """Whether a cut here would part a table; where one begins counts as in it only on demand."""
        before = (bisect_right if begins else bisect_left)(self._starts, place) - 1
        return before >= 0 and place < self._ends[before]

    def _cut(self, start: int, fresh: int) -> int:
        """Where the piece ends that begins at `start` and must go beyond `fresh`."""
        limit = start + self._size
        if limit >= self._end:
            return self._end
        wanted = max(fresh, start + self._size // 3)  # a heading or a short line does not stand alone
        short = max(fresh, start + self._size // 8)
        for least, kinds in ((wanted, _CLAUSES), (short, _SENTENCES), (wanted, _WORDS), (fresh, _WORDS)):
            for places in self._cuts[: kinds + 1]:
                last = bisect_right(places, limit) - 1
                if last >= 0 and places[last] > least:
                    return places[last]
        return _before_mark(self._text, fresh, limit)

    def _overlapping(self, start: int, end: int, fresh: int) -> int:
        """Where the next piece begins: at a pause within the overlap if there is one, otherwise as far back as it goes."""
        end = _trim(self._text, start, end)[1]
        low = max(end - self._overlap, start + 1)
        if low >= end or fresh - low > self._size // 2 or self._in_table(fresh, begins=True):
            return fresh
        for kinds in (self._cuts[: _SENTENCES + 1], self._cuts[_CLAUSES : _CLAUSES + 1], self._cuts[_WORDS:]):
            found = [places[first] for places in kinds if (first := bisect_left(places, low)) < len(places)]
            if found and min(found) < end:
                return min(found)
        while low < end and _joins(self._text, low):
            low += 1
        return fresh if low == end or self._in_table(low) or _in_word(self._text, low) else low

    def _after_blanks(self, place: int) -> int:
        found = _SPACE.match(self._text, place, self._end)
        return found.end() if found else place


def _in_word(text: str, place: int) -> bool:
    """Whether a place is within a word of a script that has blanks between words."""
    return text[place - 1].isalnum() and text[place].isalnum() and unicodedata.category(text[place]) != "Lo"


def _before_mark(text: str, low: int, place: int) -> int:
    """The last place up to this one, beyond `low`, that does not part a character from the marks on it."""
    for candidate in range(place, low, -1):
        if candidate >= len(text) or not _joins(text, candidate):
            return candidate
    return place


def _joins(text: str, place: int) -> bool:
    """Whether the character at a place belongs to the one before it: accents, variants, skin tones, joined emoji."""
    sign = text[place]
    return (
        unicodedata.category(sign)[0] == "M"
        or sign == "\u200d"
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or text[place - 1] == "\u200d"
    )


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without the blanks around it."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
