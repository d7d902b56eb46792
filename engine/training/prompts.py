"""The prompts in a dataset's rows, and which of them a training answers now and then, to be read. Needs no model."""

from collections.abc import Iterable
from typing import Any

from engine.training.lora_spec import LoraSpec

Prompt = list[dict[str, str]]
"""A conversation that ends with the user's turn."""


def prompt_of(row: dict[str, Any]) -> Prompt:
    """What a row asks: its prompt, or a conversation up to its first reply."""
    if "prompt" in row:
        return row["prompt"]
    end = next(place for place, turn in enumerate(row["messages"]) if turn["role"] == "assistant")
    return row["messages"][:end]


def watched(spec: LoraSpec, rows: Iterable[dict[str, Any]]) -> list[Prompt]:
    """The prompts that a run answers: those asked for, else the first different ones of these rows."""
    if spec.sample_prompts:
        return [[{"role": "user", "content": words}] for words in spec.sample_prompts[: spec.samples]]
    prompts: list[Prompt] = []
    for row in rows:
        if len(prompts) >= spec.samples:
            break
        if (prompt := prompt_of(row)) not in prompts:
            prompts.append(prompt)
    return prompts
