"""`rlhf pairs`: a dataset to learn preferences from, made of what people judged, and how many rows each rule takes."""

import argparse
from typing import Any

from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, say


def add(group) -> None:
    """Add `pairs` to the group `rlhf`."""
    from engine.preferences.rules import PairRules

    command = add_command(group, "pairs", pairs, "make pairs of replies of what people judged, as a dataset")
    command.add_argument("--name", required=True, help="the dataset; if there is one of this name, its next version")
    command.add_argument(
        "--unpaired", action="store_true", help="single replies, good or bad, instead of pairs (for KTO)"
    )
    add_flags(command, PairRules)


def pairs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Build and keep."""
    from engine.fields import parse
    from engine.preferences.rules import PairRules

    card, built = _made(arguments.name, parse(PairRules, given(arguments, PairRules)), arguments.unpaired)
    for rule, rows in built.taken.items():
        if rows:
            say(f"{rule}: {rows}")
    say(f"{card.rows} of {built.candidates} rows are left; “{card.name}” is at version {card.version}.")
    return {"name": card.name, "rows": card.rows, "candidates": built.candidates, "taken": built.taken}


def from_feedback(unpaired: bool) -> str:
    """Build by the default rules; returns the version of the dataset `feedback-pairs` or `feedback-thumbs` that came of it.

    Raises:
        BadInput: there is nothing to build of.
    """
    from engine.preferences.rules import PairRules

    return _made("feedback-thumbs" if unpaired else "feedback-pairs", PairRules(), unpaired)[0].reference


def _made(name: str, rules, unpaired: bool):
    from engine.feedback.store import find
    from engine.preferences.build import build, build_unpaired
    from engine.preferences.datasets import keep

    built = (build_unpaired if unpaired else build)(rules, find())
    return keep(built, name, rules), built
