"""What the server refuses, in OpenAI's shape and in one sentence; and who may ask how much."""

import http.client
import json
import urllib.error
import urllib.request

import openai
import pytest

from tests.engine.serving.servers import MODEL, Running, running

CHAT, TEXT, EMBED, DRAW = "/chat/completions", "/completions", "/embeddings", "/images/generations"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
KEYS = ("key-of-ann-1", "key-of-bo-22")


def _post(server: Running, path: str, body: bytes | dict, **headers: str) -> tuple[int, dict]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (CHAT, b"{", 400, "must be a JSON object"),
        (CHAT, b"[1]", 400, "must be a JSON object"),
        (CHAT, {}, 400, "messages is missing"),
        (CHAT, {"messages": []}, 400, "messages cannot be"),
        (CHAT, {"messages": [{"role": "king", "content": "x"}]}, 400, "messages.0.role cannot be king"),
        (CHAT, {**HELLO, "model": "gpt-4"}, 404, "There is no model “gpt-4” here"),
        (CHAT, {**HELLO, "model": "../endless"}, 404, "There is no model"),
        (CHAT, {**HELLO, "model": "owner/model"}, 404, "There is no model"),
        (CHAT, {**HELLO, "model": "judge"}, 400, "is of kind reward and cannot be used here"),
        (CHAT, {**HELLO, "temperature": -1}, 400, "temperature must be at least 0"),
        (CHAT, {**HELLO, "temperature": float("nan")}, 400, "temperature"),
        (CHAT, {**HELLO, "max_tokens": 0}, 400, "A reply has at least 1 token"),
        (CHAT, {**HELLO, "max_completion_tokens": 10**9}, 400, "A reply may have 4096 tokens here"),
        (CHAT, {**HELLO, "n": 1000}, 400, "n must be at most 16"),
        (CHAT, {**HELLO, "stop": [""]}, 400, "stop"),
        (CHAT, {**HELLO, "tools": [{"type": "function"}]}, 400, "tools is not supported here"),
        (CHAT, {**HELLO, "chat_template_kwargs": {"a": 1}}, 400, "chat_template_kwargs is not supported here"),
        (CHAT, {**HELLO, "logprobs": True}, 400, "logprobs is not supported here"),
        (CHAT, {**HELLO, "frequency_penalty": 0.5}, 400, "frequency_penalty is not supported here"),
        (CHAT, {**HELLO, "response_format": {"type": "json_object"}}, 400, "cannot promise json_object"),
        (CHAT, {"messages": [{"role": "tool", "content": "1"}]}, 400, "Tools are not supported"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "parts of type image_url"),
        (CHAT, {"messages": [{"role": "user", "content": "word " * 40_000}]}, 400, "reads at most 32768"),
        (TEXT, {"prompt": [1, 2, 3]}, 400, "not token ids"),
        (TEXT, {"prompt": ["a"] * 17}, 400, "A request may ask for 16 replies"),
        (TEXT, {"prompt": ""}, 400, "is empty"),
        (TEXT, {"prompt": "a", "echo": True}, 400, "echo is not supported here"),
        (EMBED, {"model": "nobody/bert", "input": "a"}, 404, "“nobody/bert” is no embedding model here"),
        (EMBED, {"model": "e5", "input": [[1, 2]]}, 400, "not token ids"),
        (EMBED, {"model": "e5", "input": []}, 400, "1 to 2048 texts"),
        (EMBED, {"model": "e5", "input": "a", "dimensions": 5}, 400, "vectors of 384 numbers"),
        (DRAW, {"prompt": "a", "size": "huge"}, 400, "“huge” is no size"),
        (DRAW, {"prompt": "a", "size": "60x60"}, 400, "width"),
        (DRAW, {"prompt": "a", "n": 11}, 400, "n must be at most 10"),
        (DRAW, {"prompt": "a", "response_format": "url"}, 400, "response_format is not supported here"),
        (DRAW, {"prompt": "a", "model": "red"}, 400, "is of kind chat"),
        ("/nothing", {}, 404, "There is no /v1/nothing here"),
    ],
)  # fmt: skip
def test_one_sentence_in_openais_shape(server, path, body, status, words):
    code, answer = _post(server, path, body)
    assert code == status, answer
    assert words in answer["error"]["message"] and answer["error"]["type"] == "invalid_request_error"
    assert "Traceback" not in answer["error"]["message"]


def test_what_changes_nothing_is_passed_over(server):
    harmless = {"user": "ann", "metadata": {"a": "b"}, "logprobs": False, "frequency_penalty": 0, "tool_choice": "none"}
    code, answer = _post(server, CHAT, {**HELLO, **harmless, "max_tokens": 2, "response_format": {"type": "text"}})
    assert code == 200 and answer["model"] == MODEL


def test_an_error_in_a_stream_has_its_status(server):
    code, answer = _post(server, CHAT, {"messages": [{"role": "user", "content": "word " * 40_000}], "stream": True})
    assert code == 400 and "reads at most" in answer["error"]["message"]


def test_a_form_of_a_web_page_is_not_read(server):
    """Browsers send text without asking first; JSON they do not."""
    code, _ = _post(server, CHAT, {**HELLO, "max_tokens": 1}, **{"Content-Type": "text/plain"})
    assert code == 400


def test_without_keys_only_this_machines_names_are_served(server):
    code, answer = _post(server, CHAT, HELLO, Host="rebound.example.org")
    assert code == 403 and "answers to localhost alone" in answer["error"]["message"]


@pytest.fixture(scope="module")
def guarded(served_home, tmp_path_factory):
    """A server with keys and tight limits."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# who\n{KEYS[1]}  # Bo\n")
    flags = ("--keys-file", str(file), "--requests-per-key", "2", "--max-body-mib", "0.1", "--max-tokens", "5000")
    with running(served_home, *flags, STUDIO_SERVE_KEYS=f'["{KEYS[0]}"]', STUDIO_WAITING_REQUESTS="1") as server:
        yield server


def test_keys(guarded):
    for key in KEYS:
        with guarded.client(key) as client:
            assert MODEL in [model.id for model in client.models.list()]
    for key in ("key-of-ann", "key-of-nobody", "x" * 5000):
        with guarded.client(key) as client, pytest.raises(openai.AuthenticationError, match="missing or wrong"):
            client.models.list()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(guarded.url.removesuffix("/v1") + "/metrics", timeout=30)
    with urllib.request.urlopen(guarded.url.removesuffix("/v1") + "/health", timeout=30) as page:
        assert json.load(page) == {"status": "ok"}


def test_a_large_body_is_not_read(guarded):
    key = {"Authorization": f"Bearer {KEYS[0]}"}
    code, answer = _post(guarded, TEXT, {"prompt": "a" * 200_000}, **key)
    assert code == 413 and "larger than this server takes" in answer["error"]["message"]
    connection = http.client.HTTPConnection(guarded.url.split("/")[2], timeout=30)  # says nothing of its length
    chunks = iter([b'{"prompt": "', *[b"a" * 10_000] * 20, b'"}'])
    connection.request(
        "POST", "/v1/completions", chunks, {"Content-Type": "application/json", **key}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_each_key_has_its_share(guarded):
    long = {"model": MODEL, **HELLO, "max_tokens": 5000, "temperature": 0, "stream": True}
    with guarded.client(KEYS[0]) as ann, guarded.client(KEYS[1]) as bo:
        streams = [ann.chat.completions.create(**long) for _ in range(2)]
        with pytest.raises(openai.RateLimitError, match="2 of your requests are at work") as refused:
            ann.chat.completions.create(**long)
        assert int(refused.value.response.headers["retry-after"]) >= 1
        assert bo.chat.completions.create(**{**long, "max_tokens": 1, "stream": False}).choices
        for stream in streams:
            stream.close()
        guarded.wait_for_work(lambda n: n == 0, key=KEYS[0])
        assert ann.chat.completions.create(**{**long, "max_tokens": 1, "stream": False}).choices


def test_a_port_that_is_taken(studio, starter, server):
    code, _, errors = studio("serve", "--port", server.url.split(":")[2].removesuffix("/v1"))
    assert code == 2 and "cannot be listened on" in errors and len(errors.strip().splitlines()) == 1, errors
