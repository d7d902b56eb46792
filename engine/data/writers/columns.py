"""What a table of each format looks like: its columns in their order, and what is in their cells."""

from typing import Literal

Cell = Literal["text", "turns", "pairs", "flag", "object"]
"""`turns` is one message or several, `pairs` questions and answers, `object` a JSON object."""

_TABLES: dict[str, dict[str, Cell]] = {
    "alpaca": {"instruction": "text", "input": "text", "output": "text", "system": "text", "history": "pairs"},
    "belle": {"input": "text", "target": "text"},
    "sharegpt": {"conversations": "turns"},
    "messages": {"messages": "turns"},
    "prompt-completion": {"prompt": "turns", "completion": "turns"},
    "preference": {"prompt": "turns", "chosen": "turns", "rejected": "turns"},
    "unpaired": {"prompt": "turns", "completion": "turns", "label": "flag"},
}


def columns(format: str) -> dict[str, Cell]:
    """The columns of a format's table; the last says where a row came from."""
    return {**_TABLES[format], "source": "object"}
