"""What the chat page needs of a model, wherever it runs: `ChatBackend`, with a local and an HTTP implementation."""

from typing import Protocol

from engine.models.request import ReplyStream, Sampling


class ChatBackend(Protocol):
    """Something that answers conversations."""

    def stream(self, messages: list[dict[str, str]], sampling: Sampling, adapter: str | None = None) -> ReplyStream:
        """Start a reply; returns at once.

        Args:
            messages: the conversation, ending with the user's turn.
            sampling: how tokens are chosen.
            adapter: an adapter's name, None for the base.

        Raises:
            BadInput: what was asked for does not exist; errors that show later are raised by the stream.
        """
        ...
