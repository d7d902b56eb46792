"""A small local server that speaks as much of the OpenAI API as a chat needs, with real streaming."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["灵", "犀", " says", " <b>hello</b>", " 🐉", "."]


class Handler(BaseHTTPRequestHandler):
    """As much of the OpenAI API as a chat needs."""

    server: "OpenAIServer"

    def do_GET(self):
        self._json({"object": "list", "data": [{"object": "model", **model} for model in self.server.models]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers["Authorization"], body))
        if body["model"] == "crowded":
            self._json({"error": {"message": "too many"}}, 503)
            return
        if body["model"] == "unknown":
            self._json({"error": {"message": "no such model"}}, 404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        words = self.server.words * (200 if body["model"] == "endless" else 1)
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


class OpenAIServer(ThreadingHTTPServer):
    """Remembers what it was asked, and whether somebody left in the middle."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str | None, dict]] = []
        self.sent = 0
        self.words = WORDS  # of every reply
        self.left = False
        self.models: list[dict] = [{"id": "first-model"}]
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


@contextlib.contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """The server, running."""
    server = OpenAIServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
