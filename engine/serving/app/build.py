"""Puts the endpoint together: routes, the gate before them, and errors in OpenAI's shape."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from engine.errors import StudioError
from engine.fields import explain
from engine.serving.app import about, embeddings, pictures, text
from engine.serving.app.gate import Gate, answer
from engine.serving.app.metrics import Metrics
from engine.serving.app.state import Serving
from engine.serving.options import Options
from engine.serving.refusals import ClientGone, Refusal
from engine.serving.replies import Work


def make_app(options: Options, keys: list[bytes]) -> FastAPI:
    """The endpoint.

    Args:
        options: its limits.
        keys: those who may ask; none lets everybody on this machine.
    """
    app = FastAPI(
        title="studio",
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.serving = Serving(options, keys, Work(), Metrics())
    for part in (about, text, embeddings, pictures):
        app.include_router(part.router)
    handlers = (
        (StudioError, _told),
        (RequestValidationError, _misread),
        (HTTPException, _refused),
        (ClientGone, _unread),
    )
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
    app.add_middleware(Gate, serving=app.state.serving)
    if options.cors:  # before the gate: browsers ask first, without a key
        app.add_middleware(CORSMiddleware, allow_origins=options.cors, allow_methods=["*"], allow_headers=["*"])
    return app


async def _told(request: Request, error: Exception) -> Response:
    return answer(error)


async def _misread(request: Request, error: Exception) -> Response:
    """A body that is no JSON, or a field of another type."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid" or not field:
        return answer(Refusal("The request's body must be a JSON object, sent as Content-Type: application/json."))
    sentence = str(explain({**first, "loc": first["loc"][1:]}))
    return answer(Refusal("{reason}", param=field, reason=sentence))


async def _refused(request: Request, error: Exception) -> Response:
    """What the framework itself refuses."""
    assert isinstance(error, HTTPException)
    sentences = {
        404: "There is no {path} here: see docs/SERVING.md.",
        405: "{path} takes another method: see docs/SERVING.md.",
        413: "The request is larger than this server takes.",
    }
    sentence = sentences.get(error.status_code, "The request cannot be read.")
    return answer(Refusal(sentence, error.status_code, path=request.url.path[:200]))


async def _unread(request: Request, error: Exception) -> Response:
    return Response(status_code=499)
