"""`draw --idea`: the chat model makes a prompt of a few words, as it does on the Draw page, and what it did is said."""

import argparse
from typing import TYPE_CHECKING

from engine.commands.output import say

if TYPE_CHECKING:
    from engine.diffusion.prompt_writing import Written
    from engine.diffusion.recipe import Recipe

_MAPPING = {"auto": None, "always": True, "never": False}
_WHY = {
    "failed": "The chat model failed",
    "no_prompt": "What the chat model wrote is no prompt",
    "left_out": "The chat model left out what your idea is about",
    "added": "The chat model added other things",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the idea and who makes a prompt of it."""
    parser.add_argument(
        "--idea", metavar="TEXT", help="in place of PROMPT a few words, English or Chinese: the chat model makes it"
    )
    parser.add_argument("--chat-model", metavar="M", help="who writes it (default: STUDIO_DEFAULT_MODEL)")
    parser.add_argument("--chat-adapter", metavar="NAME", help="with this chat adapter")
    parser.add_argument("--server", metavar="URL", help="an OpenAI-compatible server writes it")
    parser.add_argument(
        "--map-words",
        choices=list(_MAPPING),
        default="auto",
        help="Chinese words become English ones through the names of emoji; auto does so if the model knows no Chinese",
    )


def write(arguments: argparse.Namespace, recipe: "Recipe") -> "Written":
    """Let the chat model write the prompt of a recipe, at the picture's seed, and say what it did.

    Args:
        arguments: what was typed, with an idea.
        recipe: its model and adapters decide what a prompt must be like.
    """
    from engine.chat.turns import Speaker
    from engine.diffusion.catalog import resolve
    from engine.diffusion.prompt_tokens import prompt_tokens
    from engine.diffusion.prompt_writing import triggers_of, write_prompt

    source = resolve(recipe.model)
    written = write_prompt(
        arguments.idea,
        Speaker(model=arguments.chat_model, adapter=arguments.chat_adapter, server=arguments.server),
        captions=source.kind == "starter",
        triggers=triggers_of([lora.name for lora in recipe.loras]),
        tokens=prompt_tokens(source),
        seed=recipe.seed,
        map_words=_MAPPING[arguments.map_words],
    )
    _tell(written)
    return written


def _tell(written: "Written") -> None:
    if written.mapping:
        say(" · ".join(f"{chinese} → {english}" for chinese, english in written.mapping))
    if written.unknown:
        say(f"Not known and left out: {' · '.join(written.unknown)}")
    if written.why:
        say(f"{_WHY[written.why]}, so your idea was taken as it is.")
    if written.added_triggers:
        say(f"Added: {', '.join(written.added_triggers)}")
    if not written.drawable:
        say("The starter picture model has learnt none of this. It draws emoji: animals, food, plants, things.")
    say(f"Prompt: {written.prompt} (by {written.model}, seed {written.seed})")
