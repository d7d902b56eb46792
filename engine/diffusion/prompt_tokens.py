"""How many tokens a prompt is for a picture model's text encoder, counted without loading a model or its library.

The encoder reads a fixed number of tokens and drops the rest without a word, so people see the count as they type.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.diffusion.catalog import PictureSource
from engine.diffusion.single_file import config_folder
from engine.errors import StudioError
from engine.files import read_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# how CLIP's tokenizer splits a text, whatever its vocabulary
_SPLITS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
_USUAL_LIMIT = 77


class PromptTokens:
    """Of one picture model.

    Args:
        tokenizer: its first tokenizer; None counts words and signs, which is a little less.
        limit: the most its text encoder reads, both ends included.
    """

    def __init__(self, tokenizer: "Tokenizer | None" = None, limit: int = _USUAL_LIMIT):
        self._tokenizer = tokenizer
        self.limit = limit

    @property
    def exact(self) -> bool:
        """Whether the model's own tokenizer was found."""
        return self._tokenizer is not None

    def count(self, prompt: str) -> int:
        """Tokens of a prompt, with the two that mark its ends."""
        if self._tokenizer is None:
            return len(re.findall(r"\w+|[^\w\s]", prompt)) + 2
        return len(self._tokenizer.encode(prompt, add_special_tokens=False).ids) + 2


def prompt_tokens(source: PictureSource) -> PromptTokens:
    """The counter for a picture model; a rough one while its tokenizer is not on this machine."""
    folder = _beside(source) if source.kind == "file" else source.path
    files = folder / "tokenizer" if folder else None
    if files is None or not (files / "tokenizer_config.json").is_file():
        return PromptTokens()
    return _read(files, (files / "tokenizer_config.json").stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _beside(source: PictureSource) -> Path | None:
    try:
        return config_folder(source)
    except StudioError:  # drawing will say it; a count need not
        return None


@lru_cache(maxsize=8)
def _read(files: Path, modified: int) -> PromptTokens:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    limit = int(read_json(files / "tokenizer_config.json").get("model_max_length") or _USUAL_LIMIT)
    limit = limit if limit <= 10_000 else _USUAL_LIMIT  # "no limit" is written as a huge number
    if (files / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(files / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return PromptTokens(tokenizer, limit)
    if not ((files / "vocab.json").is_file() and (files / "merges.txt").is_file()):
        return PromptTokens(limit=limit)
    bpe = models.BPE.from_file(
        str(files / "vocab.json"), str(files / "merges.txt"), end_of_word_suffix="</w>", unk_token="<|endoftext|>"
    )
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLITS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return PromptTokens(tokenizer, limit)
