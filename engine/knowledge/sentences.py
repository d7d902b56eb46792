"""A text's sentences and its quotations, in English and Chinese. Nothing is lost: the sentences joined are the text.

A sentence never ends within a quotation or a fence of code, a line does end one, and a citation after the full stop belongs to
the sentence before it.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from engine.knowledge.markers import markers

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CLOSING = "[”』」’）)】》\"'*_`»]*"
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
_END = re.compile(
    rf"(?<![。！？])[。！？]++{_CLOSING}"
    rf"|(?<!\b[A-Z])(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bNo)(?<!\bFig)(?<!\bvs)(?<!\bapprox)(?<!\be\.g)(?<!\bi\.e)"
    rf"(?<!^\d)(?<!^\d\d)(?<![.!?…])[.!?…]++{_CLOSING}(?=[\s\[［【]|$|[{_CJK}])",
)
_PAIRS = {"“": "”", "‘": "’", "„": "“”", "«": "»", "「": "」", "『": "』", "＂": "＂", '"': '"'}
_WRAPPED = re.compile(r"(?<=[^\n.!?])\n[a-z]")
_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Quotation:
    """Words in quotation marks: where they begin and end, the marks left out."""

    start: int
    end: int


def sentences(text: str) -> list[str]:
    """The sentences in their order; each keeps the blanks after it."""
    whole = [(quoted.start, quoted.end) for quoted in quotations(text)]
    marks = {marker.start: marker.end for marker in markers(text)}
    whole = sorted([*whole, *((start + 1, end - 1) for start, end in marks.items())])
    cuts: list[int] = []
    for start, end, code in _lines(text):
        if not code:
            cuts += [place for place in _ends(text, start, end, marks) if not _within(whole, place)]
        if not _within(whole, end) and (code or not _WRAPPED.match(text, end - 1)):
            cuts.append(end)
    cuts = sorted(set(cuts))
    pieces = [text[first:last] for first, last in zip([0, *cuts], [*cuts, len(text)], strict=True) if first < last]
    return _joined(pieces)


def quotations(text: str) -> list[Quotation]:
    """What stands in quotation marks; a mark that is never closed quotes up to the end of its line. `《》` name, they don't quote."""
    found: list[Quotation] = []
    place = 0
    while place < len(text):
        closing = _PAIRS.get(text[place])
        if closing is None or _is_inch(text, place):
            place += 1
            continue
        end = _closed(text, place + 1, closing)
        found.append(Quotation(place + 1, end))
        place = end + 1
    return found


def _closed(text: str, start: int, closing: str) -> int:
    """Where the quotation ends: at its mark if that comes in the same paragraph, otherwise with its line."""
    paragraph = text.find("\n\n", start)
    stop = len(text) if paragraph < 0 else paragraph
    line = text.find("\n", start, stop)
    line = stop if line < 0 else line
    # straight marks look the same at both ends: one without a partner in its line must not swallow the next line's
    last = line if '"' in closing else stop
    return next((place for place in range(start, last) if text[place] in closing), line)


def _is_inch(text: str, place: int) -> bool:
    return text[place] == '"' and place > 0 and text[place - 1].isdigit()


def _lines(text: str) -> list[tuple[int, int, bool]]:
    """The lines with their ends, and whether each is code; a fence with all in it is one."""
    found: list[tuple[int, int, bool]] = []
    start, fence, begun = 0, "", 0
    for line in text.splitlines(keepends=True):
        end = start + len(line)
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                found.append((begun, end, True))
                fence = ""
        elif mark:
            fence, begun = mark[1], start
        else:
            found.append((start, end, False))
        start = end
    if fence:
        found.append((begun, len(text), True))
    return found


def _ends(text: str, start: int, end: int, marks: dict[int, int]) -> list[int]:
    """Where sentences end in a line: after the stop, the citations that follow it and the blanks."""
    places: list[int] = []
    for stop in _END.finditer(text[start:end]):
        place = _after_blanks(text, start + stop.end(), end)
        while place in marks and marks[place] <= end:
            place = _after_blanks(text, marks[place], end)
        places.append(place)
    return places


def _after_blanks(text: str, place: int, end: int) -> int:
    while place < end and text[place].isspace():
        place += 1
    return place


def _within(whole: list[tuple[int, int]], place: int) -> bool:
    """Whether a place lies within one of the stretches, or at its edge; quotations and marks may overlap, but not by more."""
    before = bisect_right(whole, place, key=lambda each: each[0])
    return any(place <= end for _, end in whole[max(0, before - 3) : before])


def _joined(pieces: list[str]) -> list[str]:
    """Pieces without a word, such as blank lines and citations on a line of their own, go to the sentence before them."""
    found: list[str] = []
    for piece in pieces:
        bare = piece
        for marker in list(markers(piece))[::-1]:
            bare = bare[: marker.start] + bare[marker.end :]
        if found and not _LETTER.search(bare):
            found[-1] += piece
        else:
            found.append(piece)
    if len(found) > 1 and not _LETTER.search(found[0]):
        found[:2] = [found[0] + found[1]]
    return found
