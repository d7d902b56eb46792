"""`/v1/images/generations`: pictures from words, as base64; nothing is kept."""

import asyncio
import base64
import secrets
import time
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from engine.diffusion import catalog
from engine.diffusion.drawing import DrawRequest
from engine.diffusion.families import defaults
from engine.diffusion.host import DrawStream, host
from engine.diffusion.png import png_bytes
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import Busy
from engine.fields import parse
from engine.serving.app.leaving import while_connected
from engine.serving.app.state import serving
from engine.serving.bodies import ImageBody
from engine.serving.names import Named, picture_model

_LOOK = 0.05
"""Seconds between looks whether the pictures are there."""

router = APIRouter()


@router.post("/v1/images/generations", response_model=None)
async def generations(body: ImageBody, request: Request) -> Response:
    """Draw."""
    body.refuse_unsupported()
    return JSONResponse(await while_connected(request, _drawn(body, request)))


async def _drawn(body: ImageBody, request: Request) -> dict[str, Any]:
    asked = await to_thread.run_sync(_request, body)
    stream = await to_thread.run_sync(host().draw, asked)
    serving(request).work.add(stream)
    try:
        while not stream.ended:
            await asyncio.sleep(_LOOK)
    finally:
        stream.cancel()
    data = await to_thread.run_sync(_encoded, stream, asked.count)
    return {"created": int(time.time()), "data": data}


def _request(body: ImageBody) -> DrawRequest:
    named = picture_model(body.model)
    source = catalog.resolve(named.model)
    said = {"prompt": body.prompt, "negative_prompt": body.negative_prompt, "loras": _loras(named), **body.sides()}
    said |= {"steps": body.steps, "guidance_scale": body.guidance_scale}
    seed = body.seed if body.seed is not None else secrets.randbelow(2**31)
    begun = {**vars(defaults(source)), "model": source.name, "seed": seed}
    recipe = parse(Recipe, {**begun, **{name: value for name, value in said.items() if value is not None}})
    return DrawRequest(recipe, body.n)


def _loras(named: Named) -> list[LoraWeight]:
    adapter = named.adapter
    return [LoraWeight(name=adapter.name, weight=adapter.card.default_weight)] if adapter else []


def _encoded(stream: DrawStream, count: int) -> list[dict[str, Any]]:
    drawings = stream.result(0)
    if len(drawings) < count:
        raise Busy("The server stopped this picture: ask again in a moment.")
    return [
        {"b64_json": base64.b64encode(png_bytes(drawing.image, drawing.recipe)).decode(), "seed": drawing.recipe.seed}
        for drawing in drawings
    ]
