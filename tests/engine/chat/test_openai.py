"""The HTTP backend against a small local server that really streams: words, stop, keys, and errors in one sentence."""

import time

import pytest

from engine.chat.openai import OpenAIBackend, ServerModel
from engine.errors import BadInput, Busy, Failure
from engine.models.request import Sampling
from engine.settings import settings
from tests.openai_server import WORDS, openai_server

QUESTION = [{"role": "user", "content": "你好"}]


@pytest.fixture
def server():
    with openai_server() as server:
        yield server


def test_words_arrive_one_by_one_with_counts(server):
    stream = OpenAIBackend(server.url).stream(QUESTION, Sampling(temperature=0.3, seed=4))
    assert list(stream) == WORDS
    reply = stream.reply
    assert (reply.text, reply.tokens, reply.prompt_tokens, reply.finish_reason) == ("".join(WORDS), 9, 5, "stop")
    _, body = server.asked[0]
    assert body["model"] == "first-model"
    assert (body["messages"], body["temperature"], body["seed"]) == (QUESTION, 0.3, 4)


def test_an_adapter_takes_the_place_of_the_model(server):
    OpenAIBackend(server.url, "base").stream(QUESTION, Sampling(), "my-adapter").wait()
    assert server.asked[0][1]["model"] == "my-adapter"


def test_stop_closes_the_connection(server):
    stream = OpenAIBackend(server.url, "endless").stream(QUESTION, Sampling())
    for _, _ in zip(range(3), stream, strict=False):
        pass
    reply = stream.wait(timeout=5)
    assert reply.finish_reason == "cancelled" and reply.text
    deadline = time.monotonic() + 5
    while not server.left and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.left and server.sent < 200


def test_the_key_goes_to_the_configured_server_alone(server, monkeypatch):
    monkeypatch.setenv("STUDIO_OPENAI_API_KEY", "secret")
    monkeypatch.setenv("STUDIO_OPENAI_BASE_URL", server.url)
    settings.cache_clear()
    OpenAIBackend(server.url).stream(QUESTION, Sampling()).wait()
    OpenAIBackend(server.url.replace("127.0.0.1", "localhost")).stream(QUESTION, Sampling()).wait()
    assert [key for key, _ in server.asked] == ["Bearer secret", "Bearer none"]


def test_a_refusal_is_told_in_the_servers_words(server):
    with pytest.raises(Failure, match=r"status 404: .*no such model"):
        OpenAIBackend(server.url, "unknown").stream(QUESTION, Sampling()).wait()


def test_no_server(server):
    with pytest.raises(Failure, match="No server answers at http"):
        OpenAIBackend("http://127.0.0.1:9/v1", "m").stream(QUESTION, Sampling()).wait()


def test_an_address_that_is_none():
    with pytest.raises(BadInput, match="http://"):
        OpenAIBackend("file:///etc/passwd").stream(QUESTION, Sampling())


def test_stop_strings_and_what_openai_lacks_are_sent_where_they_change_something(server):
    OpenAIBackend(server.url).stream(QUESTION, Sampling()).wait()
    OpenAIBackend(server.url).stream(QUESTION, Sampling(stop=["\n"], top_k=5, repetition_penalty=1.2)).wait()
    (_, plain), (_, full) = server.asked
    assert not {"top_k", "repetition_penalty"} & set(plain) and plain["stop"] is None
    assert (full["stop"], full["top_k"], full["repetition_penalty"]) == (["\n"], 5, 1.2)


def test_a_crowded_server_is_busy(server):
    with pytest.raises(Busy, match="is busy: ask again in a moment"):
        OpenAIBackend(server.url, "crowded").stream(QUESTION, Sampling()).wait()


def test_its_chat_models_and_the_adapters_on_them(server):
    server.models = [{"id": "m"}, {"id": "red", "parent": "m", "kind": "chat"}, {"id": "e5", "kind": "embedding"}]
    assert OpenAIBackend(server.url).models() == [ServerModel("m"), ServerModel("red", "m")]
    with pytest.raises(Failure, match="No server answers"):
        OpenAIBackend("http://127.0.0.1:9/v1").models()
    with pytest.raises(BadInput, match="http://"):
        OpenAIBackend("ftp://x").models()
