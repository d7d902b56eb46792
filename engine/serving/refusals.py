"""What went wrong, as OpenAI's API tells it: a status and `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

from engine.errors import BadInput, Busy, StudioError

RETRY_AFTER = {"Retry-After": "1"}
"""Seconds. OpenAI's clients read it and try twice more by themselves."""


class Refusal(BadInput):
    """A request that is refused with a status of its own.

    Args:
        sentence: see `StudioError`.
        status: of HTTP.
        code: a word for programs.
        param: the field that is meant.
        values: what fills the gaps.
    """

    def __init__(
        self, sentence: str, status: int = 400, code: str | None = None, param: str | None = None, **values: object
    ):
        super().__init__(sentence, **values)
        self.status, self.code, self.param = status, code, param


class ClientGone(Exception):
    """Whoever asked has closed the connection; nobody reads an answer."""


def status_of(error: Exception) -> int:
    """The status that an error is answered with."""
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, BadInput) or _is_of_template(error):
        return 400
    return 503 if isinstance(error, Busy) else 500


def headers_of(error: Exception) -> dict[str, str]:
    """When to ask again, for errors that pass."""
    return RETRY_AFTER if status_of(error) in (429, 503) else {}


def body_of(error: Exception) -> dict[str, Any]:
    """The answer's body; errors that are no sentences are told without their words, which may name paths."""
    status = status_of(error)
    message = str(error)
    if _is_of_template(error):
        message = f"The model's chat template takes no such conversation: {message[:300]}"
    elif not isinstance(error, StudioError):
        message = f"The server failed ({type(error).__name__}): its log says more."
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    code = "busy" if isinstance(error, Busy) else getattr(error, "code", None)
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": getattr(error, "param", None), "code": code}}


def _is_of_template(error: Exception) -> bool:
    """Chat templates refuse by raising, such as roles that do not take turns."""
    return any(kind.__module__.startswith("jinja2.") for kind in type(error).__mro__)
