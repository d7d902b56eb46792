"""`serve`: the studio's models for other programs, as OpenAI's API."""

import argparse
from typing import Any

from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, say
from engine.serving.options import Options


def add(commands) -> None:
    """Add the parser."""
    parser = add_command(commands, "serve", serve, "an OpenAI-compatible endpoint over the same engine")
    add_flags(parser, Options)


def serve(arguments: argparse.Namespace) -> dict[str, Any]:
    """Load the model, then answer until a signal ends it."""
    from engine.fields import parse
    from engine.models.catalog import resolve
    from engine.serving.app.server import Server, listen
    from engine.serving.keys import read_keys, refuse_open_door

    options = parse(Options, given(arguments, Options))
    keys = read_keys(options.keys_file)
    refuse_open_door(options.host, keys)
    model = resolve(options.model).name
    with listen(options.host, options.port) as door:
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{door.getsockname()[1]}/v1"
        say(f"Loading {model} …")
        _warm_up(model)
        say(_placement(model))
        say(f"“{model}” and its adapters answer at {address} ({len(keys)} keys). Ctrl+C ends it.")
        Server(options, keys).run([door])
    say("Ended.")
    return {"address": address, "model": model, "keys": len(keys)}


def _placement(model: str) -> str:
    from engine.models.host import host

    return next((str(loaded.plan) for loaded in host().loaded() if loaded.name == model), "")


def _warm_up(model: str) -> None:
    """What is wrong with the model shows before anybody asks, and the first request waits for nothing."""
    from engine.models.host import host
    from engine.models.request import Sampling

    host().generate("Hello", Sampling(max_new_tokens=1, temperature=0), model).wait()
