"""Settings as words of a command line: what `engine.commands.flags` reads."""

from typing import Any


def flags(values: dict[str, Any]) -> list[str]:
    """`{"max_length": 8, "packing": False}` as `--max-length 8 --no-packing`; an empty list needs no word."""
    words = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            words += [f"--{flag}", *map(str, value)] if value else []
        else:
            words += [f"--{flag}", str(value)]
    return words
