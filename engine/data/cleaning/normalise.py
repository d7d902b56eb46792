"""Text in one spelling: Unicode's composed form, one kind of line end, and nothing that cannot be seen.

Indentation, tabs and full-width punctuation stay as they are.
"""

import re
import unicodedata

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # control characters
    "\xad\u180e\u200b\u2060-\u2064\ufeff"  # soft hyphen, zero-width spaces, invisible operators
    "\u200e\u200f\u202a-\u202e\u2066-\u206f]"  # marks of the writing direction
)
# scripts that write with joiners: Arabic to Burmese, Khmer to Balinese, and those of India beyond the first plane
_SCRIPTS = "\u0600-\u109f\u1780-\u1aff\ua800-\ua8ff\U00011000-\U00011fff"
_EMOJI = "\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f"
_STRAY_JOINER = re.compile(
    f"[\u200c\u200d](?:(?<![{_SCRIPTS}{_EMOJI}].)|(?<=[{_EMOJI}]\u200c)|(?<=[{_EMOJI}]\u200d)(?![{_EMOJI}]))"
)
_BLANK_LINES = re.compile("\n{4,}")
_INDENTED_LATER = re.compile(r"\n[^\S\n]+\S")


def normalised(text: str) -> str:
    """The text in one spelling; doing it twice changes nothing more."""
    text = unicodedata.normalize("NFC", _UNSEEN.sub("", _LINE_ENDS.sub("\n", text)))
    while _STRAY_JOINER.search(text):  # without it, accents may change places, and bare another
        text = unicodedata.normalize("NFC", _STRAY_JOINER.sub("", text))
    text = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    text = _BLANK_LINES.sub("\n\n\n", text)
    # a first line that is indented as later ones are is code, or a Chinese paragraph
    return text if _INDENTED_LATER.search(text) else text.lstrip()
