"""Chat with any OpenAI-compatible server: another studio's `python -m engine serve`, vLLM, SGLang, llama.cpp, Ollama.

The configured key goes to the configured server alone, never to an address that somebody typed on a page.
"""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Busy, Failure
from engine.models.request import Reply, ReplyStream, Sampling
from engine.settings import settings

if TYPE_CHECKING:
    from openai import OpenAI


@dataclass(frozen=True)
class ServerModel:
    """A chat model that a server lists."""

    name: str
    base: str | None = None
    """Of an adapter: the model it was made for."""


@dataclass(frozen=True)
class OpenAIBackend:
    """A server by its URL."""

    base_url: str
    """Such as `http://127.0.0.1:8000/v1`."""
    model: str = ""
    """The server's name for the model; empty takes the first one it lists."""

    def stream(self, messages: list[dict[str, str]], sampling: Sampling, adapter: str | None = None) -> ReplyStream:
        """See `ChatBackend.stream`; a server's adapters are models of their own, so `adapter` takes the model's place."""
        self._refuse_no_address()
        stream = ReplyStream()
        arguments = (stream, messages, sampling, adapter or self.model)
        threading.Thread(target=self._read, args=arguments, name="openai", daemon=True).start()
        return stream

    def models(self) -> list[ServerModel]:
        """What the server offers for chat: its models and, where it names them, the adapters on them.

        Raises:
            BadInput: this is no address.
            Failure: it does not answer within seconds, or not with a list.
        """
        from openai import OpenAIError

        self._refuse_no_address()
        try:
            with self._client(timeout=3) as client:
                # vLLM names an adapter's base as `parent` too; `kind` is ours alone
                listed = [(model.id, model.model_extra or {}) for model in client.models.list()]
        except OpenAIError as error:
            raise self._explain(error) from error
        return [ServerModel(name, extra.get("parent")) for name, extra in listed if extra.get("kind", "chat") == "chat"]

    def _refuse_no_address(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise BadInput("“{url}” is no server address: it starts with http:// or https://.", url=self.base_url[:200])

    def _client(self, timeout: float) -> "OpenAI":
        from openai import OpenAI

        s = settings()
        key = s.openai_api_key if s.openai_api_key and self.base_url == s.openai_base_url else "none"
        return OpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=timeout)

    def _read(self, stream: ReplyStream, messages: list[dict[str, str]], sampling: Sampling, model: str) -> None:
        from openai import OpenAIError

        try:
            stream.finish(self._relay(stream, messages, sampling, model))
        except OpenAIError as error:
            stream.finish(error=self._explain(error))
        except Exception as error:  # the reader must never wait for an end that does not come
            stream.finish(error=error)

    def _relay(self, stream: ReplyStream, messages: list[dict[str, str]], sampling: Sampling, model: str) -> Reply:
        started = time.perf_counter()
        text, tokens, prompt_tokens, reason, seed = "", 0, 0, "cancelled", sampling.seed or 0
        with self._client(timeout=120) as client:
            chunks = client.chat.completions.create(  # pyright: ignore[reportCallIssue]  (plain dicts are what it sends)
                model=model or next(iter(client.models.list())).id,
                messages=messages,  # pyright: ignore[reportArgumentType]
                max_tokens=sampling.max_new_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                stop=sampling.stop or None,
                extra_body=_extras(sampling),
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
                        seed = (choice.model_extra or {}).get("seed", seed)  # a studio tells the one it drew
        return Reply(text, tokens, prompt_tokens, time.perf_counter() - started, seed, reason)

    def _explain(self, error: Exception) -> Failure:
        from openai import APIConnectionError, APIStatusError

        if isinstance(error, APIConnectionError):
            return Failure(
                "No server answers at {url}: check that it runs and that the address is right.", url=self.base_url
            )
        if isinstance(error, APIStatusError) and error.status_code in (429, 503):
            return Busy("The server at {url} is busy: ask again in a moment.", url=self.base_url)
        if isinstance(error, APIStatusError):
            return Failure(
                "The server at {url} refused the request with status {status}: {reason}",
                url=self.base_url,
                status=error.status_code,
                reason=str(error.message)[:300],
            )
        return Failure("The server at {url} gave an answer that cannot be read.", url=self.base_url)


def _extras(sampling: Sampling) -> dict[str, Any]:
    """What OpenAI's own API lacks and the servers named above take; left out where it changes nothing."""
    said = {"top_k": sampling.top_k or None, "repetition_penalty": sampling.repetition_penalty}
    return {name: value for name, value in said.items() if value not in (None, 1.0)}
