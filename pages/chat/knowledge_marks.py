"""A checked answer as Markdown: citations as badges, and a mark after every sentence that the passages do not support.

Draws nothing. What the model wrote is made harmless, and cannot imitate the badges.
"""

import re

from engine.knowledge.citations import Checked, Mark, Sentence, pieces
from pages.shared.i18n import t
from pages.shared.text import harmless

# places for badges while the words around them are made harmless; no text may bring such signs along
_GOOD, _BAD, _END, _PROBLEM = "\ue000", "\ue001", "\ue002", "\ue003"
_PLACES = re.compile("[\ue000-\ue003]")
_BADGE = re.compile(f"([{_GOOD}{_BAD}])(\\d+){_END}")
_DIRECTIVE = re.compile(rf":(?=[a-zA-Z-]+(?:\[|/|{_GOOD}|{_BAD}))")
PROBLEM_ICON = ":orange[:material/help:]"


def marked_answer(checked: Checked) -> str:
    """The answer with its marks, as Markdown."""
    text = harmless("".join(_with_places(sentence) for sentence in checked.sentences))
    text = _BADGE.sub(_badge, _DIRECTIVE.sub(":\u200b", text))
    return text.replace(_PROBLEM, f" {PROBLEM_ICON}")


def problems(checked: Checked) -> list[str]:
    """Each kind of mark in the answer, explained in a sentence."""
    words = {
        "unsupported": t("not supported by the passages"),
        "false_quote": t("quotes words that no passage has"),
        "unknown_citation": t("cites a passage that does not exist"),
    }
    found = dict.fromkeys(sentence.problem for sentence in checked.sentences if sentence.problem)
    return [words[problem] for problem in found]


def _with_places(sentence: Sentence) -> str:
    drawn = []
    for piece in pieces(sentence):
        if isinstance(piece, Mark):
            drawn.append(f"{_GOOD if piece.ok else _BAD}{piece.n}{_END}")
        else:
            drawn.append(_PLACES.sub("", piece))
    text = "".join(drawn)
    if sentence.problem is None:
        return text
    body = text.rstrip()
    blanks = text[len(body) :]
    if body.endswith(("```", "~~~")):  # words after a fence would undo it
        return f"{body}\n\n{_PROBLEM}{blanks}"
    if body.startswith("|") and body.endswith("|"):  # within the last cell of a row
        return f"{body[:-1]}{_PROBLEM} |{blanks}"
    return f"{body}{_PROBLEM}{blanks}"


def _badge(found: re.Match[str]) -> str:
    kind, n = found.groups()
    return f":blue-badge[{n}]" if kind == _GOOD else f":red-badge[{n} ?]"
