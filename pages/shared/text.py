"""Text that models and documents wrote, made harmless for display: nothing is fetched from elsewhere, nothing is a link.

Streamlit already shows HTML as text; Markdown could still load a picture or carry a link to a stranger's server. What takes
that away is a sign that nobody sees, never a backslash: one that is there already would undo it.
"""

import re

_GAP = "\u200b"
_CODE = re.compile(
    r"(^ {0,3}(?P<fence>`{3,}|~{3,})[^\n`]*\n.*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)|`[^`\n]+`)",
    re.DOTALL | re.MULTILINE,
)
_LINKS = re.compile(r"!(?=\[)|\](?=\s*[(\[:])|<(?=[a-zA-Z][a-zA-Z+.-]*:)")
# what looks like code here may be none for the browser's Markdown: a link or a picture needs one of these
_IN_CODE = re.compile(
    r"\](?=\(\s*+<?[^)\s]{0,64}(?:[:&\\]|//))|(?:(?<=\n)|^)[ \t>*+\-0-9.)]*\[(?:[^\[\]\\]|\\.)*\](?=:)"
)
_BARE = re.compile(r"(?i)\b((?:https?|ftp):)(?=//)|\b(www)(?=\.)")


def harmless(text: str) -> str:
    """Markdown without pictures or links; code blocks look as they were."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        inside = _IN_CODE.sub(_with_gap, code.group())
        parts += [_defused(text[end : code.start()]), inside if code["fence"] else without_addresses(inside)]
        end = code.end()
    return "".join([*parts, _defused(text[end:])])


def without_addresses(text: str) -> str:
    """A text in which no address is made a link: each gets a gap that nobody sees."""
    return _BARE.sub(_with_gap, text)


def _defused(text: str) -> str:
    text = _LINKS.sub(_with_gap, text)
    return without_addresses(text).replace("\n", "  \n")  # Markdown would join lines, and spoil a poem


def _with_gap(found: re.Match[str]) -> str:
    return found.group() + _GAP
