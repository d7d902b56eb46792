"""Real tokenizers, small enough to train in a test: byte-level BPE, so that a Chinese character or an emoji is several tokens."""

import json
from pathlib import Path

import pytest

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
THINKING = CHATML.replace(
    "message.content", "(message.content if loop.last else message.content.split('</think>')[-1])"
)


@pytest.fixture(scope="session")
def make_tokenizer():
    """Makes a tokenizer with a chat template, or None for none."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["user assistant system", "the quick brown fox", "hello there, how are you"], trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>")])

    def make(template: str | None = CHATML):
        made = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>", name_or_path="tiny"
        )
        made.chat_template = template
        return made

    return make


@pytest.fixture(scope="session")
def chatml(make_tokenizer):
    """A plain tokenizer."""
    return make_tokenizer()


@pytest.fixture(scope="session")
def thinking(make_tokenizer):
    """One whose template strips the thinking from earlier turns."""
    return make_tokenizer(THINKING)


@pytest.fixture
def write(tmp_path):
    """Writes a JSON lines file; a string is a line as it stands."""

    def write(name: str, *lines: object) -> Path:
        texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
        path = tmp_path / name
        path.write_bytes(("\n".join(texts) + "\n").encode())
        return path

    return write


@pytest.fixture(scope="session")
def talk():
    """A line of the messages format: what the user says, what the assistant says, the user, …"""

    def talk(*texts: str, system: str | None = None) -> dict:
        turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}

    return talk
