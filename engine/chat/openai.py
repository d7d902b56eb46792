"""Chat with any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama.

The configured key goes to the configured server alone, never to an address that somebody typed on a page.
"""

import threading
import time
from dataclasses import dataclass

from engine.errors import BadInput, Failure
from engine.models.request import Reply, ReplyStream, Sampling
from engine.settings import settings


@dataclass(frozen=True)
class OpenAIBackend:
    """A server by its URL."""

    base_url: str
    """Such as `http://127.0.0.1:8000/v1`."""
    model: str = ""
    """The server's name for the model; empty takes the first one it lists."""

    def stream(self, messages: list[dict[str, str]], sampling: Sampling, adapter: str | None = None) -> ReplyStream:
        """See `ChatBackend.stream`; a server's adapters are models of their own, so `adapter` takes the model's place."""
        if not self.base_url.startswith(("http://", "https://")):
            raise BadInput("“{url}” is no server address: it starts with http:// or https://.", url=self.base_url[:200])
        stream = ReplyStream()
        arguments = (stream, messages, sampling, adapter or self.model)
        threading.Thread(target=self._read, args=arguments, name="openai", daemon=True).start()
        return stream

    def _read(self, stream: ReplyStream, messages: list[dict[str, str]], sampling: Sampling, model: str) -> None:
        from openai import OpenAIError

        try:
            stream.finish(self._relay(stream, messages, sampling, model))
        except OpenAIError as error:
            stream.finish(error=self._explain(error))
        except Exception as error:  # the reader must never wait for an end that does not come
            stream.finish(error=error)

    def _relay(self, stream: ReplyStream, messages: list[dict[str, str]], sampling: Sampling, model: str) -> Reply:
        from openai import OpenAI

        started = time.perf_counter()
        s = settings()
        key = s.openai_api_key if s.openai_api_key and self.base_url == s.openai_base_url else "none"
        text, tokens, prompt_tokens, reason = "", 0, 0, "cancelled"
        with OpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=120) as client:
            chunks = client.chat.completions.create(  # pyright: ignore[reportCallIssue]  (plain dicts are what it sends)
                model=model or next(iter(client.models.list())).id,
                messages=messages,  # pyright: ignore[reportArgumentType]
                max_tokens=sampling.max_new_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                stop=sampling.stop or None,
                stream=True,
                stream_options={"include_usage": True},
            )
            with chunks:  # leaving early closes the connection, which stops the server
                for chunk in chunks:
                    if stream.cancelled:
                        break
                    if chunk.usage:
                        tokens, prompt_tokens = chunk.usage.completion_tokens, chunk.usage.prompt_tokens
                    for choice in chunk.choices:
                        piece = choice.delta.content or ""
                        text += piece
                        tokens += bool(piece) and not chunk.usage
                        stream.put(piece)
                        reason = choice.finish_reason or reason
        return Reply(text, tokens, prompt_tokens, time.perf_counter() - started, sampling.seed or 0, reason)

    def _explain(self, error: Exception) -> Failure:
        from openai import APIConnectionError, APIStatusError

        if isinstance(error, APIConnectionError):
            return Failure(
                "No server answers at {url}: check that it runs and that the address is right.", url=self.base_url
            )
        if isinstance(error, APIStatusError):
            return Failure(
                "The server at {url} refused the request with status {status}: {reason}",
                url=self.base_url,
                status=error.status_code,
                reason=str(error.message)[:300],
            )
        return Failure("The server at {url} gave an answer that cannot be read.", url=self.base_url)
