"""Which language a text is written in, told from its letters by py3langid."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# fmt: off
LANGUAGES = (
    "af", "am", "an", "ar", "as", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "cs", "cy", "da", "de", "dz",
    "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fo", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he", "hi",
    "hr", "ht", "hu", "hy", "id", "ig", "is", "it", "ja", "jv", "ka", "kk", "km", "kn", "ko", "ku", "ky", "la",
    "lb", "lg", "ln", "lo", "lt", "lv", "mg", "mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nl", "nn", "no",
    "oc", "om", "or", "pa", "pl", "ps", "pt", "qu", "ro", "ru", "rw", "sa", "se", "si", "sk", "sl", "sn", "so",
    "sq", "sr", "st", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "ug", "uk", "ur", "uz", "vi",
    "vo", "wa", "xh", "yo", "zh", "zu",
)
# fmt: on
"""ISO 639-1 codes of the languages that can be told."""
_COUNTS_AS = {"yue": "zh", "wuu": "zh", "arz": "ar", "ary": "ar", "pcm": "en"}
"""Varieties without a code of two letters. Short texts in the main language are sometimes taken for one of them."""
_LOOKED_AT = 500
_LETTERS = 10
_SURE = 0.5


def language(text: str) -> str | None:
    """The ISO 639 code of a text's language, from its first 500 characters; Chinese in either script is zh.

    None where it cannot be told: fewer than ten letters, nothing but numbers or code, or no language that is likelier
    than all others.
    """
    head = text[:_LOOKED_AT]
    if sum(map(str.isalpha, head)) < _LETTERS:
        return None
    code = _identifier().classify(head)[0]
    return None if code in ("und", "zxx") else _COUNTS_AS.get(code, code)


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=_SURE)
