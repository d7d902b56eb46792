"""The encoding of a text file, told by its content alone.

Beyond what `encoding_of` knows, UTF-16 without a mark, Big5 and Windows-1252 are told: taken for GB18030 they would become wrong
signs that nobody is warned about.
"""

import codecs
import re
from pathlib import Path

from engine.data.readers.streams import encoding_of

_SAMPLE = 2**20
_HIGH = re.compile(rb"[\x80-\xff]+")
_FOURS = re.compile(rb"(?:[\x81-\xfe][0-9]){2}")  # rare signs of GB18030
_PAIRS = re.compile(rb"[\x81-\xfe]([\x40-\x7e\x80-\xfe])")
# what Latin and Chinese texts are made of: letters, punctuation, ideographs, full-width forms
_USUAL = re.compile("[\t\n\r -~\u00a0-\u024f\u2010-\u206f\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")


def encoding_in(path: Path) -> str:
    """A name that Python's codecs know; `utf-8` if nothing speaks for another."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    told = unmarked_utf16(sample) or encoding_of(path, "none")
    runs = _HIGH.findall(_FOURS.sub(b"", sample))
    # bytes beyond ASCII that mostly stand alone are accents and curly quotes; other encodings need several for a sign
    if told in ("utf-8", "gb18030") and 4 * sum(len(run) == 1 for run in runs) > 3 * len(runs):
        return "cp1252"
    return "big5" if told == "gb18030" and _is_big5(sample) else told


def unmarked_utf16(sample: bytes) -> str:
    """`utf-16-le` or `utf-16-be` if a file that begins so is text in it without a mark; otherwise empty."""
    if 0 not in sample or sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ""
    for encoding in ("utf-16-le", "utf-16-be"):
        text = sample.decode(encoding, "replace")
        if len(_USUAL.findall(text)) > 0.95 * len(text):
            return encoding
    return ""


def _is_big5(sample: bytes) -> bool:
    """Whether second bytes are often below 0x7F, as simplified Chinese seldom has them, and all decodes as Big5."""
    seconds = _PAIRS.findall(sample)
    if 5 * sum(second < b"\x7f" for second in seconds) < len(seconds):
        return False
    try:
        codecs.getincrementaldecoder("big5")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
