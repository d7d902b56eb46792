"""What the endpoints of one server share, and how a request finds it."""

from dataclasses import dataclass

from fastapi import Request

from engine.serving.app.metrics import Metrics
from engine.serving.options import Options
from engine.serving.replies import Work


@dataclass(frozen=True)
class Serving:
    """One server."""

    options: Options
    keys: list[bytes]
    work: Work
    metrics: Metrics


def serving(request: Request) -> Serving:
    """The server that a request came to."""
    return request.app.state.serving
