"""`/v1/models`, `/health`, `/metrics`: what there is, and how it goes."""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from engine.serving.app.state import serving
from engine.serving.names import listed
from engine.serving.refusals import Refusal

router = APIRouter()


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """The models that a request may name."""
    return {"object": "list", "data": await to_thread.run_sync(listed, serving(request).options.model)}


@router.get("/v1/models/{name:path}")
async def model(name: str, request: Request) -> dict[str, Any]:
    """One of them."""
    for entry in await to_thread.run_sync(listed, serving(request).options.model):
        if entry["id"] == name:
            return entry
    raise Refusal(
        "There is no model “{name}” here: /v1/models lists those there are.", 404, "model_not_found", name=name[:200]
    )


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether it serves."""
    return {"status": "ok"}


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """For Prometheus."""
    page = await to_thread.run_sync(serving(request).metrics.page)  # the host may be busy loading a model
    return PlainTextResponse(page, media_type=CONTENT_TYPE_LATEST)
