"""Chat with a model in this process, through its host."""

from dataclasses import dataclass

from engine.models.host import host
from engine.models.request import ReplyStream, Sampling


@dataclass(frozen=True)
class LocalBackend:
    """A catalogue model in this process's memory."""

    model: str | None = None
    """As `engine.models.catalog.resolve` takes it; None for the default model."""

    def stream(self, messages: list[dict[str, str]], sampling: Sampling, adapter: str | None = None) -> ReplyStream:
        """See `ChatBackend.stream`."""
        return host().generate(messages, sampling, self.model, adapter)
