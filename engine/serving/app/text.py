"""`/v1/chat/completions` and `/v1/completions`: the same but for the shape of what goes in and out."""

import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from engine.models.host import host
from engine.models.request import Reply, ReplyStream, Sampling
from engine.serving.app.leaving import while_connected
from engine.serving.app.state import serving
from engine.serving.bodies import ChatBody, CompletionBody
from engine.serving.names import Named, chat_model
from engine.serving.refusals import body_of
from engine.serving.replies import Replies
from engine.serving.wire import DONE, Wire, event

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

router = APIRouter()


@router.post("/v1/chat/completions", response_model=None)
async def chat(body: ChatBody, request: Request) -> Response:
    """Answer a conversation."""
    return await _answer(body, request)


@router.post("/v1/completions", response_model=None)
async def completions(body: CompletionBody, request: Request) -> Response:
    """Continue texts."""
    return await _answer(body, request)


async def _answer(body: ChatBody | CompletionBody, request: Request) -> Response:
    here = serving(request)
    body.refuse_unsupported()
    questions = body.questions()
    sampling = body.sampling(body.most_tokens(), here.options.max_tokens)
    named = await to_thread.run_sync(chat_model, body.model, here.options.model)
    starts = [_start(question, sampling, number, named) for question in questions for number in range(body.n)]
    wire = Wire(named.name, isinstance(body, ChatBody), len(starts), body.n, body.include_usage)
    replies = Replies(here.work)
    handed_over = False
    try:
        asked = time.perf_counter()
        await while_connected(request, replies.begin(starts))
        here.metrics.first_token(named.name, time.perf_counter() - asked)
        if body.stream:
            handed_over = True
            return _EventStream(replies, _events(replies, wire))
        return JSONResponse(wire.whole(await while_connected(request, _all(replies))))
    finally:
        if not handed_over:
            replies.close()


def _start(question: Any, sampling: Sampling, number: int, named: Named) -> Callable[[], ReplyStream]:
    """Ask for one of `n` replies to a question; each has a seed of its own."""
    if sampling.seed is not None:
        sampling = sampling.model_copy(update={"seed": (sampling.seed + number) % 2**63})
    adapter = named.adapter.name if named.adapter else None
    return lambda: host().generate(question, sampling, named.model, adapter)


async def _all(replies: Replies) -> list[Reply]:
    done: dict[int, Reply] = {}
    async for index, _, reply in replies:
        if reply:
            done[index] = reply
    return [done[index] for index in sorted(done)]


async def _events(replies: Replies, wire: Wire) -> AsyncIterator[str]:
    done: dict[int, Reply] = {}
    try:
        for chunk in wire.opening():
            yield event(chunk)
        async for index, text, reply in replies:
            if text:
                yield event(wire.piece(index, text))
            if reply:
                done[index] = reply
                yield event(wire.end(index, reply))
        if wire.tells_usage:
            yield event(wire.usage([done[index] for index in sorted(done)]))
        yield DONE
    except Exception as error:  # the status has been sent: OpenAI's clients raise what an event tells as an error
        yield event(body_of(error))


class _EventStream(StreamingResponse):
    """Closes the replies however the stream ends, also before its first event."""

    media_type = "text/event-stream"

    def __init__(self, replies: Replies, events: AsyncIterator[str]):
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._replies = replies

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._replies.close()
