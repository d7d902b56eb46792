"""The HTTP backend against a small local server that really streams: words, stop, keys, and errors in one sentence."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from engine.chat.openai import OpenAIBackend
from engine.errors import BadInput, Failure
from engine.models.request import Sampling
from engine.settings import settings

QUESTION = [{"role": "user", "content": "你好"}]
WORDS = ["灵", "犀", " says", " <b>hello</b>", " 🐉", "."]


class Handler(BaseHTTPRequestHandler):
    """As much of the OpenAI API as a chat needs."""

    def do_GET(self):
        self._json({"object": "list", "data": [{"id": "first-model", "object": "model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers["Authorization"], body))
        if body["model"] == "unknown":
            self._json({"error": {"message": "no such model"}}, 404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        words = WORDS * 200 if body["model"] == "endless" else WORDS
        try:
            for word in words:
                self._event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
                self.server.sent += 1
                time.sleep(0.01)
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self._event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}})
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            self.server.left = True

    def _event(self, chunk):
        chunk |= {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def _json(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.sent, server.left = [], 0, False
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


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
