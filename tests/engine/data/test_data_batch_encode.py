"""Many at once and one by one must come to the very same ids and labels, whatever the template and the text."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from transformers.convert_slow_tokenizer import bytes_to_unicode

from engine.data.batch_encode import BatchEncoder
from engine.data.records import Message
from engine.data.tokenise import TemplateProblem, encode
from engine.models.loader import load_tokenizer
from tests.engine.data.conftest import CHATML, THINKING

TRIMMING = CHATML.replace("message.content", "message.content | trim")
CURIOUS = "{% if 'magic' in messages[-1].content %}{{ 'Abracadabra' }}{% endif %}" + CHATML
TOUCHY = "{% if messages[0].content == 'bad' %}{{ raise_exception('not this') }}{% endif %}" + CHATML
NO_EDGE = "{% for message in messages %}{{ message.content }}{% endfor %}{% if add_generation_prompt %}{% endif %}"

TEXT = st.text(
    st.sampled_from("ab 中文😀👩‍🚀é\u0301\n\t\u3000'<|im_end|>\"12٣"), min_size=1, max_size=12
) | st.sampled_from(["magic", "bad", "<|im_end|>", "</think>x", " ", "\n", "a" * 400, "x</think>"])
CHATS = st.lists(
    st.tuples(st.none() | TEXT, st.lists(st.tuples(TEXT, TEXT.filter(str.strip)), min_size=1, max_size=3)),
    min_size=1,
    max_size=6,
)


def chat(system: str | None, turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    made = [{"role": "system", "content": system}] if system else []
    for asked, answered in turns:
        made += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return made


def check(tokenizer, chats: list[list[dict[str, str]]], completion_only: bool) -> int:
    """Compare; returns how many rows went the fast way."""
    encoder = BatchEncoder(tokenizer, completion_only)
    batch = encoder.encode(chats)
    for place, row in enumerate(chats):
        bounds = slice(batch.bounds[place], batch.bounds[place + 1])
        try:
            wanted = encode([Message.model_validate(turn) for turn in row], tokenizer, completion_only)
        except TemplateProblem as problem:
            assert str(batch.problems[place]) == str(problem) and bounds.start == bounds.stop
            continue
        assert batch.ids[bounds].tolist() == wanted.input_ids
        assert batch.labels[bounds].tolist() == wanted.labels
    assert encoder._fast, "it gave the fast way up"
    return sum(encoder._outlines.fill(row) is not None for row in chats)


@pytest.mark.parametrize("template", [CHATML, THINKING, TRIMMING, CURIOUS, TOUCHY, NO_EDGE])
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chats=CHATS, completion_only=st.booleans())
def test_all_templates(template, make_tokenizer, chats, completion_only):
    check(make_tokenizer(template), [chat(*row) for row in chats], completion_only)


def test_the_starter(starter):
    tokenizer = load_tokenizer(starter)
    texts = [
        "你好，世界",
        " lead",
        "trail \n",
        "don't 12345 ٣",
        "👨‍👩‍👧",
        "<|im_end|>",
        "\u3000全角\u200b",
        "def f(x):\n    return x\n",
    ]
    chats = [
        chat(system, [(asked, answered + "x")])
        for system in (None, "Be brief.")
        for asked in texts
        for answered in texts
    ]
    assert check(tokenizer, chats, True) == check(tokenizer, chats, False) == len(chats)


def test_plain_templates_go_the_fast_way(make_tokenizer):
    chats = [chat(None, [(f"q{n}", f"a{n} 好")]) for n in range(20)]
    assert check(make_tokenizer(CHATML), chats, True) == 20
    assert check(make_tokenizer(TRIMMING), [*chats, chat(None, [(" q", "a ")])], True) == 20
    assert check(make_tokenizer(CURIOUS), [*chats, chat(None, [("some magic", "a")])], True) == 20


class OneTokenAByte:
    """Splits every text into single bytes: the sizes add up, the ids are others."""

    def __init__(self, tokenizer):
        self._ids = {text: id for text, id in tokenizer.get_vocab().items() if len(text) == 1}
        self._alphabet = bytes_to_unicode()

    def encode_batch_flat(self, texts: list[str]) -> tuple[bytes, bytes]:
        rows = [[self._ids[self._alphabet[byte]] for byte in text.encode()] for text in texts]
        bounds = np.cumsum([0, *map(len, rows)])
        return np.concatenate(rows).astype(np.uint32).tobytes(), bounds.astype(np.uint64).tobytes()


def test_a_fast_tokenizer_that_does_not_agree_is_given_up(chatml):
    encoder = BatchEncoder(chatml)
    encoder._fast = OneTokenAByte(chatml)
    row = chat(None, [("hello", "hello")])
    wanted = encode([Message.model_validate(turn) for turn in row], chatml)
    assert encoder.encode([row]).ids.tolist() == wanted.input_ids
    assert encoder._fast is None
