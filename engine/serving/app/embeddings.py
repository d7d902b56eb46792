"""`/v1/embeddings`: texts to unit vectors, by the knowledge bases' models."""

import base64
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from engine.knowledge import embedding
from engine.serving.app.leaving import while_connected
from engine.serving.app.state import serving
from engine.serving.bodies import EmbeddingBody
from engine.serving.names import embedding_model
from engine.serving.refusals import ClientGone, Refusal

if TYPE_CHECKING:
    import numpy as np

MOST = 2048
"""Texts of one request."""
AT_ONCE = 4
"""Requests that are embedded at once: a model batches the texts of one request, and others wait."""

router = APIRouter()
_limiter: list[CapacityLimiter] = []


@router.post("/v1/embeddings", response_model=None)
async def embeddings(body: EmbeddingBody, request: Request) -> Response:
    """Embed texts, in batches."""
    body.refuse_unsupported()
    texts = body.texts(MOST)
    return JSONResponse(await while_connected(request, _embedded(body, texts, request)))


async def _embedded(body: EmbeddingBody, texts: list[str], request: Request) -> dict[str, Any]:
    gone = False
    if not _limiter:
        _limiter.append(CapacityLimiter(AT_ONCE))  # belongs to the loop, which is not there at import

    def progress(done: int) -> None:
        if gone:
            raise ClientGone

    try:
        name = await to_thread.run_sync(embedding_model, body.model)
        work = partial(_embed, name, texts, body.input_type == "query", progress)
        vectors, tokens = await to_thread.run_sync(work, limiter=_limiter[0])
    finally:
        gone = True  # a thread cannot be ended; it looks here after every batch
    if body.dimensions not in (None, vectors.shape[1]):
        raise Refusal(
            "“{name}” gives vectors of {size} numbers: leave dimensions out.",
            name=name,
            size=vectors.shape[1],
            param="dimensions",
        )
    serving(request).metrics.embedded(name, tokens)
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": name, "usage": usage}


def _embed(name: str, texts: list[str], query: bool, progress: Any) -> "tuple[np.ndarray, int]":
    import numpy as np

    model = embedding.embedder(name)
    progress(0)
    vectors = np.stack([model.question(text) for text in texts]) if query else embedding.embed(name, texts, progress)
    return vectors, model.tokens(texts)


def _encoded(vector: "np.ndarray", how: str) -> Any:
    if how == "float":
        return vector.tolist()
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
