"""The decode loop gives what transformers' own `generate` gives, and never half a character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadInput
from engine.models.decode import Decoding
from engine.models.generation import Generation
from engine.models.loader import load_model, load_tokenizer
from engine.models.request import Sampling
from engine.models.text import TokenText
from tests.conftest import STARTER

QUESTION = [{"role": "user", "content": "Name three colours of the rainbow."}]


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(STARTER)


def _decode(model, tokenizer, messages, **sampling):
    decoding = Decoding(model, Generation(model, tokenizer, messages, Sampling(**sampling)))
    streamed = ""
    while decoding.finish_reason is None:
        streamed += decoding.step()
    assert streamed == decoding.reply().text
    return decoding.reply()


def _generate(model, tokenizer, messages, **arguments):
    import torch

    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        output = model.generate(**prompt, do_sample=False, **arguments)
    return tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)


def test_greedy_equals_generate_on_the_starter(starter):
    model, tokenizer = load_model(starter), load_tokenizer(starter)
    ours = _decode(model, tokenizer, QUESTION, temperature=0, max_new_tokens=24)
    assert ours.text == _generate(model, tokenizer, QUESTION, max_new_tokens=24)


def test_repetition_penalty_equals_generate(tiny):
    model, tokenizer = load_model(tiny), load_tokenizer(tiny)
    ours = _decode(model, tokenizer, QUESTION, temperature=0, repetition_penalty=1.7, max_new_tokens=30)
    theirs = _generate(model, tokenizer, QUESTION, max_new_tokens=30, repetition_penalty=1.7)
    assert ours.text == theirs
    assert ours.text != _decode(model, tokenizer, QUESTION, temperature=0, max_new_tokens=30).text


def test_a_seed_gives_the_same_reply_and_is_reported(tiny):
    model, tokenizer = load_model(tiny), load_tokenizer(tiny)
    options = {"temperature": 1.0, "top_p": 0.95, "top_k": 50, "max_new_tokens": 20}
    first = _decode(model, tokenizer, QUESTION, **options)
    again = _decode(model, tokenizer, QUESTION, seed=first.seed, **options)
    other = _decode(model, tokenizer, QUESTION, seed=first.seed + 1, **options)
    assert first.text == again.text != other.text


def test_finish_reasons_and_counts(tiny):
    model, tokenizer = load_model(tiny), load_tokenizer(tiny)
    reply = _decode(model, tokenizer, QUESTION, temperature=0, max_new_tokens=7)
    assert (reply.finish_reason, reply.tokens) == ("length", 7)


def test_a_conversation_longer_than_the_model_reads_is_refused(tiny):
    model, tokenizer = load_model(tiny), load_tokenizer(tiny)
    with pytest.raises(BadInput, match="at most 512"):
        Generation(model, tokenizer, [{"role": "user", "content": "word " * 600}], Sampling())


def test_a_reply_ends_where_the_model_ends(tiny):
    model, tokenizer = load_model(tiny), load_tokenizer(tiny)
    reply = _decode(model, tokenizer, [{"role": "user", "content": "word " * 460}], temperature=0, max_new_tokens=400)
    assert reply.finish_reason == "length"
    assert reply.tokens + reply.prompt_tokens == 512


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
def test_streamed_text_is_the_text_and_never_half_a_character(tokenizer, text):
    stream = TokenText(tokenizer)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = [stream.push(token) for token in ids]
    whole = tokenizer.decode(ids, skip_special_tokens=True)  # the vocabulary lacks some bytes of unassigned characters
    assert "".join(pieces) + stream.rest() == whole.rstrip("�")  # and nothing is shown of one that does not end
    assert "�" in whole or not any("�" in piece for piece in pieces)


def test_emoji_and_chinese_stream_whole(tokenizer):
    text = "灵犀一点通 🧑‍🚀🐉 naïve — «ok»"
    stream = TokenText(tokenizer)
    pieces = [stream.push(token) for token in tokenizer(text)["input_ids"]]
    assert "".join(pieces) + stream.rest() == text
    assert not any("�" in piece for piece in pieces)
