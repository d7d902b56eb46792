"""A file to try at once: twelve letters about a product that does not exist, in English and Chinese, and what to ask of each."""

from pathlib import Path

FILE = Path(__file__).parent / "samples" / "letters.csv"
TEMPLATE = "Is the writer of this letter happy or unhappy? Answer with one word.\n\n{letter}"
REFERENCE = "mood"
"""The column with the right answers."""
LONGEST = 16
"""Tokens of a reply at most: one word was asked for."""
