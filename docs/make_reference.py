"""Writes docs/SETTINGS.md and docs/COMMANDS.md from the code: `python -m docs.make_reference`. A test fails when they differ."""

import argparse
from pathlib import Path

from engine.__main__ import parser
from engine.settings import Settings

FOLDER = Path(__file__).resolve().parent


def settings_page() -> str:
    """Every `STUDIO_*` variable with its default."""
    lines = [
        "# Settings",
        "",
        "Environment variables, or lines of a file `.env` beside `Home.py`.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = "the repository" if name == "home" else "none" if field.default is None else f"`{field.default}`"
        lines.append(f"| `STUDIO_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command with its flags."""
    lines = [
        "# Commands",
        "",
        "`python -m engine …` does whatever a page can do. Each command takes `--json`: one JSON document on standard output and",
        "nothing else there. Exit codes: 0 done, 2 bad input (one line on standard error says what to do), 1 anything else.",
    ]
    for path, command in commands(parser()).items():
        told = [action for action in command._actions if action.help != argparse.SUPPRESS]
        flags = [_flag(action) for action in told if action.dest not in ("help", "json")]
        lines += ["", f"### `{path}`", "", command.description or "", *(["", *flags] if flags else [])]
    return "\n".join(lines) + "\n"


def commands(of: argparse.ArgumentParser, path: str = "") -> dict[str, argparse.ArgumentParser]:
    """The commands below a parser, by the words that call them; the processes' own entries, which nobody types, are left out."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                if name not in ("work", "rank"):
                    found |= commands(child, f"{path} {name}".strip())
    return found or {path: of}


def _flag(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 or action.choices or not action.metavar else f" {action.metavar}"
    value = value if action.option_strings and "BooleanOptional" not in type(action).__name__ else ""
    names = ", ".join(f"`{name}{value}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
    choices = f" ({' | '.join(map(str, action.choices))})" if action.choices else ""
    needed = " **required**" if action.required and action.option_strings else ""
    help_ = f": {action.help.replace('%%', '%')}" if action.help else ""
    return f"- {names}{choices}{needed}{help_}"


if __name__ == "__main__":
    (FOLDER / "SETTINGS.md").write_text(settings_page(), encoding="utf-8")
    (FOLDER / "COMMANDS.md").write_text(commands_page(), encoding="utf-8")
