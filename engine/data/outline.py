"""What a chat template puts around the texts of a conversation, so that it need not be rendered anew for every row.

Rendering a template takes longer than tokenising what it makes. Most templates put fixed pieces between the texts, the same
for all conversations with the same roles; two conversations made up for the purpose show whether this one does. A template
can look into a text only for strings that it spells out: rows that have one of these, or blanks at the edge of a text where
the template minds them, are left to the renderer. Nothing here tokenises.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.data.tokenise import TemplateProblem, render, reply_spans

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_GENERATION = re.compile(r"{%-?\s*(end)?generation\s*-?%}")


@dataclass(frozen=True)
class Outline:
    """The pieces around the texts of conversations with certain roles: piece, text, piece, …, text, piece."""

    pieces: tuple[str, ...]
    sizes: tuple[int, ...]
    """Of the pieces, in bytes of UTF-8."""
    replies: tuple[tuple[int, int, int], ...] | None
    """Which texts are trained: the text's place, the bytes before it that are trained too, and the bytes after it; None for
    everything."""
    minds_edges: bool
    """Whether blanks at the edge of a text change more than the text."""

    def fill(self, texts: Sequence[str]) -> "Filled":
        """The pieces with these texts between them."""
        parts = [""] * (2 * len(texts) + 1)
        parts[::2] = self.pieces
        parts[1::2] = texts
        lengths = [len(text.encode()) for text in texts]
        size = sum(lengths) + sum(self.sizes)
        if self.replies is None:
            return "".join(parts), [(0, size)], size
        spans = []
        for place, before, after in self.replies:
            start = sum(lengths[:place]) + sum(self.sizes[: place + 1])
            spans.append((start - before, start + lengths[place] + after))
        return "".join(parts), spans, size


Filled = tuple[str, list[tuple[int, int]], int]
"""The text the model sees, its trained spans in bytes of UTF-8, and its size in bytes."""


class Outlines:
    """The outlines of one template, found when they are first asked for.

    Args:
        tokenizer: whose template it is.
        completion_only: train the replies alone; otherwise everything.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", completion_only: bool):
        self._tokenizer = tokenizer
        self._completion_only = completion_only
        self._known: dict[tuple[str, ...], Outline | None] = {}
        try:
            self._looked_for = _looked_for(str(tokenizer.chat_template))
            self._readable = True
        except TemplateProblem:
            self._readable = False

    def fill(self, chat: Sequence[dict[str, str]]) -> Filled | None:
        """The outline that fits a conversation, filled with its texts; None where only the template itself can tell."""
        roles = tuple([turn["role"] for turn in chat])
        if roles not in self._known:
            self._known[roles] = self._find(roles) if self._readable else None
        outline = self._known[roles]
        texts = [turn["content"] for turn in chat]
        if outline is None or not all(texts):
            return None
        if self._looked_for and any(map(self._looked_for.search, texts)):
            return None
        if outline.minds_edges and any(text[0].isspace() or text[-1].isspace() for text in texts):
            return None
        return outline.fill(texts)

    def _find(self, roles: tuple[str, ...]) -> Outline | None:
        try:
            outline = self._split(roles)
            if outline is None or not self._holds(
                outline, roles, [f"看 {place}\nx  y" * (place + 1) for place in range(len(roles))]
            ):
                return None
            minds = not self._holds(outline, roles, [f" \n{place}\t " for place in range(len(roles))])
            return Outline(outline.pieces, outline.sizes, outline.replies, minds)
        except TemplateProblem:
            return None

    def _split(self, roles: tuple[str, ...]) -> Outline | None:
        texts = [f"Tx{place}t" for place in range(len(roles))]
        whole, spans = self._rendered(roles, texts)
        pieces = re.split("|".join(texts), whole)
        if len(pieces) != len(texts) + 1 or re.findall("|".join(texts), whole) != texts:
            return None
        sizes = tuple(len(piece.encode()) for piece in pieces)
        starts = [whole.index(text) for text in texts]
        replies = []
        for first, end in spans:
            place = max((place for place, start in enumerate(starts) if start < end), default=0)
            start, stop = starts[place], starts[place] + len(texts[place])
            if end < stop:
                return None
            replies.append((place, len(whole[first:start].encode()), len(whole[stop:end].encode())))
        return Outline(tuple(pieces), sizes, tuple(replies) if self._completion_only else None, True)

    def _holds(self, outline: Outline, roles: tuple[str, ...], texts: list[str]) -> bool:
        """Whether the outline says of these texts what the template says."""
        whole, spans = self._rendered(roles, texts)
        filled, trained, _ = outline.fill(texts)
        if filled != whole or not self._completion_only:
            return filled == whole
        return trained == [(len(whole[:first].encode()), len(whole[:end].encode())) for first, end in spans]

    def _rendered(self, roles: tuple[str, ...], texts: list[str]) -> tuple[str, list[tuple[int, int]]]:
        chat: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
        whole = render(chat, self._tokenizer)
        replies = [place for place, role in enumerate(roles) if role == "assistant"]
        return whole, reply_spans(whole, chat, replies, self._tokenizer) if self._completion_only else []


def _looked_for(template: str) -> re.Pattern[str] | None:
    """Finds the strings that a template compares with a text or looks for in it; those it only writes do not count.

    Raises:
        TemplateProblem: it is written in a way that cannot be looked through.
    """
    from jinja2 import Environment, TemplateError, nodes

    try:
        # the tag is an addition of transformers that marks what is trained
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(_GENERATION.sub("", template))
    except TemplateError as error:
        raise TemplateProblem("The chat template cannot be read: {reason}", reason=error) from error
    asked = [node for kind in (nodes.Compare, nodes.Call, nodes.Filter, nodes.Test) for node in tree.find_all(kind)]
    about_roles = [node for node in tree.find_all(nodes.Compare) if _key(node.expr) in ("role", "type")]
    keys = [node.arg for node in tree.find_all(nodes.Getitem)]
    passed = {id(const) for node in about_roles for const in node.find_all(nodes.Const)} | {id(key) for key in keys}
    consts = [const for node in asked for const in node.find_all(nodes.Const) if id(const) not in passed]
    words = sorted({const.value.strip() for const in consts if isinstance(const.value, str)} - {""})
    return re.compile("|".join(map(re.escape, words))) if words else None


def _key(node: Any) -> Any:
    """`role` of `message.role` and of `message["role"]`."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return node.arg.value
    return node.attr if isinstance(node, nodes.Getattr) else None
