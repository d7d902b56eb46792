"""Every request passes here before anything of it is read: the key, how many at once, and what is counted."""

import logging
from collections import Counter
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from engine.serving.app.state import Serving
from engine.serving.keys import holder, is_loopback
from engine.serving.refusals import Refusal, body_of, headers_of, status_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/images/generations",
    "/v1/models",
    "/metrics",
    "/health",
)
_NOBODY = 499
"""The status counted where nobody waited for an answer; nginx's number."""
_LOCAL, _ANYBODY = -1, -2
"""Who asks where there are no keys, and for what needs none."""
_log = logging.getLogger(__name__)


def answer(error: Exception) -> JSONResponse:
    """An error as OpenAI's API has it."""
    return JSONResponse(body_of(error), status_of(error), headers_of(error))


class Gate:
    """ASGI middleware.

    Args:
        app: what lies behind.
        serving: the server.
    """

    def __init__(self, app: "ASGIApp", serving: Serving):
        self._app = app
        self._serving = serving
        self._inside: Counter[int] = Counter()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI's specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _NOBODY

        async def watched(message: "Message") -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._pass(scope, receive, watched)
        except Refusal as refusal:
            await answer(refusal)(scope, receive, watched)
        except Exception as error:
            _log.exception("a request failed")
            if status != _NOBODY:  # half an answer is out: the connection ends, which the client sees
                raise
            await answer(error)(scope, receive, watched)
        finally:
            self._serving.metrics.answered(_endpoint(scope["path"]), status)

    async def _pass(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        who = self._admit(scope)
        self._inside[who] += 1
        try:
            await self._app(scope, self._counted(receive), send)
        finally:
            self._inside[who] -= 1

    def _counted(self, receive: "Receive") -> "Receive":
        """Stops reading a body that is too large, whatever its headers said."""
        left = int(self._serving.options.max_body_mib * 2**20)

        async def counted() -> "Message":
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        return counted

    def _admit(self, scope: "Scope") -> int:
        """Whose request it is: the place of its key."""
        if scope["path"] == "/health":
            return _ANYBODY
        headers = dict(scope["headers"])
        if not self._serving.keys:
            self._refuse_other_names(headers.get(b"host", b"").decode("latin-1"))
        who = holder(headers.get(b"authorization", b""), self._serving.keys) if self._serving.keys else _LOCAL
        if who is None:
            raise Refusal(
                "The API key is missing or wrong: send it as “Authorization: Bearer KEY”.", 401, "invalid_api_key"
            )
        most = self._serving.options.requests_per_key
        if scope["method"] == "POST" and self._inside[who] >= most:
            raise Refusal(
                "{most} of your requests are at work: wait until one has ended.", 429, "too_many_requests", most=most
            )
        return who

    @staticmethod
    def _refuse_other_names(host: str) -> None:
        """Without keys, a web page whose name resolves to this machine must not be able to ask."""
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if not is_loopback(name.strip("[]")):
            raise Refusal(
                "Without keys this server answers to localhost alone, not to {host}: set STUDIO_SERVE_KEYS.",
                403,
                "wrong_host",
                host=host[:100] or "a request without Host",
            )


def _endpoint(path: str) -> str:
    """For the metrics, which must not grow with what strangers ask for."""
    return next((known for known in ENDPOINTS if path == known or path.startswith(f"{known}/")), "other")
