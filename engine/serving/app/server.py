"""Listens, and ends well: SIGTERM or Ctrl+C stops new requests, lets replies go on for a while, then cancels them."""

import asyncio
import socket
from types import FrameType

import uvicorn

from engine.errors import BadInput
from engine.serving.app.build import make_app
from engine.serving.options import Options
from engine.serving.replies import Work

_AFTER_CANCEL = 5
"""Seconds that cancelled requests may take to say so."""


class Server(uvicorn.Server):
    """uvicorn's server, which would end by the signal that stopped it.

    Args:
        options: where it listens, and its limits.
        keys: those who may ask.
    """

    def __init__(self, options: Options, keys: list[bytes]):
        app = make_app(options, keys)
        self._work: Work = app.state.serving.work
        self._grace = options.grace_seconds
        patience = int(options.grace_seconds) + _AFTER_CANCEL
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=patience))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second signal cancels at once what still goes on."""
        self._grace = 0 if self.should_exit else self._grace
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        cancelling = asyncio.create_task(self._cancel_later())
        await super().shutdown(sockets)
        cancelling.cancel()

    async def _cancel_later(self) -> None:
        waited = 0.0
        while waited < self._grace:
            await asyncio.sleep(0.1)
            waited += 0.1
        self._work.cancel()


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        BadInput: the address is not this machine's, or the port is taken.
    """
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server(address[:2], family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise BadInput(
            "{host}:{port} cannot be listened on ({reason}): choose another with --host or --port.",
            host=host,
            port=port,
            reason=getattr(error, "strerror", None) or error,
        ) from error
