"""Text that models and documents wrote, made harmless for display: nothing is fetched from elsewhere, nothing is a link.

Streamlit already shows HTML as text; Markdown could still load a picture or carry a link to a stranger's server.
"""

import re

_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`)", re.DOTALL)
_LINKS = re.compile(r"!(?=\[)|\](?=\s*[(\[:])|<(?=[a-zA-Z][a-zA-Z+.-]*:)")
_BARE = re.compile(r"(?i)\b((?:https?|ftp):)(?=//)|\b(www)(?=\.)")


def harmless(text: str) -> str:
    """Markdown without pictures or links; code blocks stay as they are."""
    parts = _CODE.split(text)
    return "".join(part if index % 2 else _defused(part) for index, part in enumerate(parts))


def without_addresses(text: str) -> str:
    """A text in which no address is made a link: each gets a gap that nobody sees."""
    return _BARE.sub(lambda match: match.group() + "\u200b", text)


def _defused(text: str) -> str:
    text = _LINKS.sub(lambda match: "\\" + match.group(), text)
    return without_addresses(text).replace("\n", "  \n")  # Markdown would join lines, and spoil a poem
