"""`chat`: one question, one reply, printed as it is written."""

import argparse
from typing import Any

from engine.commands.output import add_command, say


def add(commands) -> None:
    """Add the parser."""
    parser = add_command(commands, "chat", chat, "ask a chat model one question")
    parser.add_argument("text", metavar="TEXT", help="the question")
    parser.add_argument("--system", metavar="S", help="system prompt")
    parser.add_argument("--model", metavar="M", help="starter, a folder or a hub id (default: STUDIO_DEFAULT_MODEL)")
    parser.add_argument("--adapter", metavar="NAME", help="a chat adapter in lora_store/ (default: the base)")
    parser.add_argument(
        "--server", metavar="URL", help="ask an OpenAI-compatible server instead of a model in this process"
    )
    parser.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="most tokens the reply may have")
    parser.add_argument(
        "--temperature", type=float, default=0.7, metavar="T", help="0 is greedy; higher is more varied"
    )
    parser.add_argument(
        "--top-p", type=float, default=0.9, metavar="P", help="sample from the likeliest tokens that make up this share"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same reply")


def chat(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ask and print."""
    from pydantic import ValidationError

    from engine.chat.local import LocalBackend
    from engine.chat.openai import OpenAIBackend
    from engine.errors import BadInput
    from engine.models.catalog import resolve
    from engine.models.request import Sampling

    if not arguments.text.strip():
        raise BadInput("The question is empty: write something to ask.")
    try:
        sampling = Sampling(
            max_new_tokens=arguments.max_new_tokens,
            temperature=arguments.temperature,
            top_p=arguments.top_p,
            seed=arguments.seed,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput("{field}: {reason}.", field=first["loc"][0], reason=first["msg"]) from error
    messages = [{"role": "system", "content": arguments.system}] if arguments.system else []
    messages.append({"role": "user", "content": arguments.text})
    server = arguments.server
    backend = OpenAIBackend(server, arguments.model or "") if server else LocalBackend(arguments.model)
    stream = backend.stream(messages, sampling, arguments.adapter)
    for piece in stream:
        say(piece, end="")
    say()
    reply = stream.reply
    return {
        "reply": reply.text,
        "model": arguments.model or (server or resolve(None).name),
        "adapter": arguments.adapter,
        "tokens": reply.tokens,
        "seconds": round(reply.seconds, 3),
        "seed": reply.seed,
        "finish_reason": reply.finish_reason,
    }
