"""Finds JSON in a reply, so that the page can show it parsed beside the text. Never repairs or evaluates anything."""

import json
from typing import Any


def find_json(text: str) -> Any | None:
    """The first JSON object or array in a text, with or without words and code fences around it; None if there is none.

    `[1]`-like arrays of a single number are taken for footnotes and passed over.
    """
    decoder = json.JSONDecoder()
    for start, character in enumerate(text):
        if character not in "{[":
            continue
        try:
            value, _ = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            continue
        if value and not (isinstance(value, list) and all(isinstance(item, int) for item in value)):
            return value
    return None
