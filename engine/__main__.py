"""The command line, `python -m engine …`: whatever a page can do, it can do.

Exit codes: 0 done, 2 bad input (one line on standard error says what to do), 1 anything else.
"""

import argparse
import logging
import os
import sys
import traceback
import warnings
from typing import NoReturn

from engine.commands import adapters, batch, chat, data, doctor, draw, feedback, kb, labelling, rlhf, runs, serve, train
from engine.commands.output import FailureWithResult, json_only
from engine.errors import DISK_FULL, StudioError, is_disk_full


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        print(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` shows what there is.", file=sys.stderr)
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="python -m engine", description="The studio's command line.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (doctor, chat, batch, draw, data, train, rlhf, adapters, runs, feedback, labelling, kb, serve):
        group.add(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    _quieten_libraries()
    try:
        with json_only(arguments.json) as write:
            try:
                write(arguments.run(arguments))
            except FailureWithResult as error:
                write(error.result)
                raise
        return 0
    except StudioError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if is_disk_full(error):
            print(DISK_FULL, file=sys.stderr)
        elif os.environ.get("LOGLEVEL") == "DEBUG":
            traceback.print_exc()
        else:
            print(f"This went wrong: {error}. Set LOGLEVEL=DEBUG to see where.", file=sys.stderr)
        return 1


def _quieten_libraries() -> None:
    """Standard error is for our one line; `LOGLEVEL=INFO` or `DEBUG` brings the libraries' words back."""
    level = os.environ.get("LOGLEVEL", "ERROR")
    logging.basicConfig(level=level, stream=sys.stderr)
    if level in ("ERROR", "CRITICAL"):
        warnings.simplefilter("ignore")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


if __name__ == "__main__":
    sys.exit(main())
