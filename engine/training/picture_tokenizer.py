"""A CLIP tokenizer of its own vocabulary: byte-level BPE learnt from captions, so small that its embeddings stay small.

The folder it is saved in is read by `CLIPTokenizer.from_pretrained` like that of any Stable Diffusion.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"


def learn_tokenizer(captions: Iterable[str], vocabulary: int, length: int) -> "CLIPTokenizer":
    """A tokenizer whose merges come from the captions.

    Args:
        captions: what prompts will look like.
        vocabulary: how many tokens at most; at least the 512 that stand for bytes.
        length: the text encoder's limit, both ends included.
    """
    import json

    from tokenizers import Tokenizer, models, trainers
    from transformers import CLIPTokenizer

    # CLIP's own way of splitting; a tokenizer without merges has it ready
    splitter = CLIPTokenizer(vocab={START: 0, END: 1}, merges=[]).backend_tokenizer
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = splitter.normalizer
    tokenizer.pre_tokenizer = splitter.pre_tokenizer
    # all pieces of one byte first: left to the trainer, their order, and with it every number, would change from call to call
    pieces = [letter + end for end in ("", "</w>") for letter in byte_letters()]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[START, END, *pieces],
        initial_alphabet=byte_letters(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    return CLIPTokenizer(
        vocab=learnt["vocab"],
        merges=[tuple(merge) for merge in learnt["merges"]],  # type: ignore[arg-type]
        model_max_length=length,
        pad_token=END,
    )


def byte_letters() -> list[str]:
    """The 256 letters that byte-level BPE writes bytes as."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())
