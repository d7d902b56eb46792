"""The official `openai` client and LangChain's `ChatOpenAI` against the real server: chat, stream, list models, cancel."""

import base64
import io

import numpy as np
import openai
import pytest

from engine.chat.openai import OpenAIBackend, ServerModel
from engine.chat.turns import Speaker
from engine.models.request import Sampling
from engine.serving.keys import holder
from tests.engine.serving.servers import MODEL, Running

QUESTION = [{"role": "user", "content": "Name three colours."}]
GREEDY = {"model": MODEL, "messages": QUESTION, "max_tokens": 12, "temperature": 0}

FEW = {"top_k": 20}
"""Tokens to draw from: of the model's 49,152 nearly even ones, rounding alone may tip the scales."""


@pytest.fixture
def client(server: Running):
    with server.client() as client:
        yield client


def test_a_chat_and_what_it_cost(client):
    answer = client.chat.completions.create(**GREEDY)
    (choice,) = answer.choices
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason == "length" and answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12 and answer.model == MODEL


def test_the_reply_is_the_engines_own(client, server, monkeypatch):
    from engine.models.host import Host
    from engine.settings import settings

    monkeypatch.setenv("STUDIO_HOME", str(server.home))
    settings.cache_clear()
    host = Host(budget=2**30)
    sampling = Sampling(max_new_tokens=12, temperature=0.8, top_p=0.9, top_k=50, repetition_penalty=1.1, seed=5)
    own = {adapter: host.generate(QUESTION, sampling, MODEL, adapter).wait().text for adapter in (None, "red")}
    host.unload()
    assert own[None] != own["red"]
    for adapter, text in own.items():
        answer = client.chat.completions.create(
            **{**GREEDY, "model": adapter or MODEL, "temperature": 0.8, "top_p": 0.9, "seed": 5},
            extra_body={"top_k": 50, "repetition_penalty": 1.1},
        )
        assert answer.choices[0].message.content == text


def test_a_stream_says_the_same_and_what_it_cost(client):
    whole = client.chat.completions.create(**GREEDY).choices[0].message.content
    chunks = list(client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole and sum(map(bool, pieces)) > 3
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 12
    assert len({chunk.id for chunk in chunks}) == 1


def test_stop_strings_end_a_reply_before_them(client):
    whole = client.chat.completions.create(**GREEDY).choices[0].message.content
    stop = whole[len(whole) // 2 :][:4]
    for words in (stop, ["never said", stop]):
        (choice,) = client.chat.completions.create(**GREEDY, stop=words).choices
        assert choice.message.content == whole[: whole.index(stop)] and choice.finish_reason == "stop"


def test_several_replies_have_a_seed_each(client):
    sampled = {**GREEDY, "temperature": 1, "top_p": 1, "extra_body": FEW}
    both = client.chat.completions.create(**sampled, seed=7, n=2)
    second = client.chat.completions.create(**sampled, seed=8)
    texts = [choice.message.content for choice in both.choices]
    assert texts[1] == second.choices[0].message.content != texts[0]
    assert [choice.seed for choice in both.choices] == [7, 8]
    assert both.usage.prompt_tokens == second.usage.prompt_tokens and both.usage.completion_tokens == 24
    streamed = ["", ""]
    for chunk in client.chat.completions.create(**sampled, seed=7, n=2, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == texts


def test_a_seed_that_nobody_gave_is_told(client):
    sampled = {**GREEDY, "temperature": 1, "top_p": 1, "extra_body": FEW}
    (first,) = client.chat.completions.create(**sampled).choices
    (again,) = client.chat.completions.create(**sampled, seed=first.seed).choices
    assert again.message.content == first.message.content


def test_texts_are_continued_without_a_template(client):
    asked = {"model": MODEL, "max_tokens": 5, "temperature": 0}
    both = client.completions.create(**asked, prompt=["The sea is", "One two three"])
    alone = client.completions.create(**asked, prompt="One two three")
    assert [choice.index for choice in both.choices] == [0, 1]
    assert both.choices[1].text == alone.choices[0].text and alone.usage.prompt_tokens < 6
    streamed = "".join(
        chunk.choices[0].text for chunk in client.completions.create(**asked, prompt="One two three", stream=True)
    )
    assert streamed == alone.choices[0].text
    assert client.completions.create(model=MODEL, prompt="Hello", temperature=0).usage.completion_tokens <= 16


def test_adapters_embeddings_and_picture_models_are_listed(client):
    models = {model.id: model for model in client.models.list()}
    assert next(iter(models)) == MODEL
    assert {name: model.kind for name, model in models.items()} == {
        MODEL: "chat", "red": "chat", "minilm": "embedding", "e5": "embedding", "starter": "image", "zz-small": "image",
    }  # fmt: skip
    assert models["red"].parent == MODEL and client.models.retrieve("red").id == "red"
    with pytest.raises(openai.NotFoundError, match="no model “judge”"):
        client.models.retrieve("judge")


def test_embeddings_are_the_engines_own(client):
    from engine.knowledge.embedding import embed, embedder

    texts = ["The sea is blue.", "海是蓝色的。", "Cats sleep."]
    expected = embed("e5", texts)
    packed = client.embeddings.create(model="e5", input=texts)  # as base64, which the client asks for and unpacks
    plain = client.embeddings.create(model="e5", input=texts, encoding_format="float")
    for answer in (packed, plain):
        assert np.allclose([item.embedding for item in answer.data], expected, atol=1e-6)
    assert packed.usage.prompt_tokens == embedder("e5").tokens(texts) > 10
    (question,) = client.embeddings.create(model="e5", input="cats", extra_body={"input_type": "query"}).data
    assert np.allclose(question.embedding, embedder("e5").question("cats"), atol=1e-6)


def test_pictures_come_as_png_and_a_seed_draws_the_same(client):
    from PIL import Image

    asked = {"prompt": "a red apple", "size": "64x64", "extra_body": {"seed": 3, "steps": 2}}
    first = client.images.generate(**asked, n=2)
    again = client.images.generate(**asked, model="zz-small")
    assert [item.seed for item in first.data] == [3, 4]
    assert first.data[0].b64_json == again.data[0].b64_json != first.data[1].b64_json
    picture = Image.open(io.BytesIO(base64.b64decode(first.data[0].b64_json)))
    assert (picture.format, picture.size) == ("PNG", (64, 64)) and "studio" in picture.text  # pyright: ignore[reportAttributeAccessIssue]


def test_a_stream_that_is_left_ends_in_the_engine_at_once(client, server):
    stream = client.chat.completions.create(**{**GREEDY, "max_tokens": 4000}, stream=True)
    for _, _ in zip(range(3), stream, strict=False):
        pass
    assert server.at_work() == 1
    stream.close()
    assert server.wait_for_work(lambda n: n == 0, seconds=3) < 3


def test_a_request_without_a_stream_that_is_left_ends_too(server):
    with server.client(timeout=1.5) as hasty, pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(**{**GREEDY, "max_tokens": 4000, "n": 2})
    assert server.wait_for_work(lambda n: n == 0, seconds=3) < 3
    assert server.metric("studio_requests_total", endpoint="/v1/chat/completions", status="499") >= 1


def test_a_picture_that_nobody_waits_for_is_not_finished(server):
    with server.client(timeout=1.5) as hasty, pytest.raises(openai.APITimeoutError):
        hasty.images.generate(prompt="a cat", n=10, extra_body={"steps": 500})
    server.wait_for_work(lambda n: n == 0, seconds=5)


def test_metrics_count_tokens_and_times(client, server):
    def figures():
        tokens = [server.metric(f"studio_{kind}_tokens_total", model=MODEL) for kind in ("prompt", "completion")]
        return np.array([*tokens, server.metric("studio_time_to_first_token_seconds_count", model="red")])

    before = figures()
    usage = client.chat.completions.create(**{**GREEDY, "model": "red"}).usage
    assert (figures() - before == [usage.prompt_tokens, 12, 1]).all()


def test_langchain_chats_streams_lists_and_cancels(server):
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=server.url, api_key="none", temperature=0, max_tokens=12, max_retries=0)  # pyright: ignore[reportCallIssue, reportArgumentType]
    answer = model.invoke("Name three colours.")
    assert answer.content and answer.usage_metadata and answer.usage_metadata["output_tokens"] == 12
    assert "".join(str(chunk.content) for chunk in model.stream("Name three colours.")) == answer.content
    assert "red" in [listed.id for listed in model.root_client.models.list()]
    stream = model.bind(max_tokens=4000).stream("Name three colours.")
    for _, _ in zip(range(3), stream, strict=False):
        pass
    assert server.at_work() == 1
    stream.close()  # pyright: ignore[reportAttributeAccessIssue]
    server.wait_for_work(lambda n: n == 0, seconds=3)


def test_a_studio_talks_to_it(server):
    backend = OpenAIBackend(server.url)
    assert backend.models() == [ServerModel(MODEL), ServerModel("red", MODEL)]
    sampling = Sampling(max_new_tokens=12, temperature=1, top_k=20)
    speaker = Speaker(model=MODEL, adapter="red", server=server.url)
    first = speaker.backend().stream(QUESTION, sampling, speaker.adapter).wait(60)
    seeded = sampling.model_copy(update={"seed": first.seed})
    again = backend.stream(QUESTION, seeded, "red").wait(60)
    assert first.text == again.text != backend.stream(QUESTION, seeded).wait(60).text
    left = backend.stream(QUESTION, Sampling(max_new_tokens=4000, temperature=0))
    for _, _ in zip(range(3), left, strict=False):
        pass
    assert server.at_work() == 1
    left.cancel()
    server.wait_for_work(lambda n: n == 0, seconds=3)


def test_a_key_is_found_by_its_place():
    keys = [b"first-key", b"second-key"]
    assert [holder(b"Bearer " + key, keys) for key in keys] == [0, 1]
    assert [holder(given, keys) for given in (b"", b"first-key", b"Bearer ", b"Bearer first", b"Basic first-key")] == [
        None
    ] * 5
