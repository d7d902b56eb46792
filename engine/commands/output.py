"""What commands print: words for a person, or one JSON document and nothing else on standard output."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from engine.errors import Failure

_json = False


class FailureWithResult(Failure):
    """A command that did not succeed and still has a document to print, such as a run that was stopped."""

    def __init__(self, sentence: str, result: Any, **values: object):
        super().__init__(sentence, **values)
        self.result = result


def add_command(commands, name: str, run: Callable[[argparse.Namespace], Any], help: str) -> argparse.ArgumentParser:
    """Add one command to a group; every command takes `--json`."""
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON document on standard output, nothing else")
    parser.set_defaults(run=run)
    return parser


def add_group(commands, name: str, help: str):
    """Add a command that has commands of its own; returns what `add_command` takes."""
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    return parser.add_subparsers(dest=f"{name}_command", required=True, metavar="COMMAND")


def say(*words: object, end: str = "\n") -> None:
    """Print for a person; silent under `--json`."""
    if not _json:
        print(*words, end=end, flush=True)


@contextlib.contextmanager
def json_only(wanted: bool) -> Iterator[Any]:
    """Under `--json`, keep standard output clean: libraries that print there are sent to standard error.

    Yields:
        A function that takes the command's result and, under `--json`, prints it on the real standard output.
    """
    global _json
    _json = wanted
    if not wanted:
        yield lambda result: None
        return
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)

    def write(result: Any) -> None:
        sys.stdout.flush()
        os.write(real, (json.dumps(result, ensure_ascii=False, default=str) + "\n").encode())

    try:
        yield write
    finally:
        _json = False
        sys.stdout.flush()
        os.dup2(real, 1)
        os.close(real)
