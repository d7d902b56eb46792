r"""`{"chosen": "\n\nHuman: …\n\nAssistant: …", "rejected": …}`: transcripts that differ in their last reply alone.

As in Anthropic's https://github.com/anthropics/hh-rlhf; and as in sets made of it, which have what is shared as
`"prompt": "\n\nHuman: …\n\nAssistant:"` and the replies alone beside it. Only read: a message that says “Human:” at the
beginning of a paragraph could not be written.
"""

import re
from typing import Any

from engine.data.readers import preference

FIELDS = ("prompt", "chosen", "rejected")

_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def fits(row: dict[str, Any]) -> bool:
    """Whether a row looks like this format."""
    if not preference.fits(row):
        return False
    return _is_transcript(row.get("prompt")) or (_is_transcript(row["chosen"]) and _is_transcript(row["rejected"]))


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The comparison, its prompt apart from its replies."""
    chosen, rejected = (_turns(row.get("prompt"), row.get(name)) for name in ("chosen", "rejected"))
    return preference.read({"chosen": chosen, "rejected": rejected})


def _is_transcript(text: Any) -> bool:
    return isinstance(text, str) and text.lstrip().startswith("Human:") and "\n\nAssistant:" in text


def _turns(prompt: Any, reply: Any) -> list[dict[str, str]]:
    """The turns of a transcript, or of what is shared and a reply."""
    whole = reply if _is_transcript(reply) or not isinstance(prompt, str) else f"{prompt}{reply}"
    before, *parts = _TURN.split(whole.strip()) if isinstance(whole, str) else [""]
    speakers, texts = parts[::2], parts[1::2]
    if before or len(speakers) < 2 or speakers[-1] != "Assistant":
        raise ValueError("a transcript must go from “Human:” to “Assistant:”, each at the beginning of a paragraph")
    return [{"role": _ROLES[who], "content": text.strip()} for who, text in zip(speakers, texts, strict=True)]
