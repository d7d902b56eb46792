"""The citations of an answer, checked by program: does the passage exist, are quoted words literally in it, does it say that.

Works on text alone and asks no model. Whatever does not pass is marked, never taken out: a reader sees what the model wrote and
what of it cannot be relied on.
"""

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from engine.knowledge.markers import markers, numbers_of, without_markers
from engine.knowledge.sentences import quotations, sentences
from engine.knowledge.support import ENOUGH_CHINESE, Claim, Source, claim, supported

if TYPE_CHECKING:
    from engine.knowledge.retrieval import Hit

Problem = Literal["unknown_citation", "false_quote", "unsupported"]

_INVISIBLE = re.compile(r"[\s*_`\\\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")
_UNCLOSED = re.compile(r"\s*[\[［【〔〖][^\]］】〕〗\n]{0,20}$")
_EDGES = ".,;:!?。，；：！？、…"
_APOSTROPHES = str.maketrans("’‘", "''")


class Citation(BaseModel):
    """A number that an answer may cite: it passed its check in one sentence at least."""

    n: int
    base: str
    document: str
    document_id: int
    passage_id: int
    page: int | None
    line: int
    heading: str
    quote: str
    """The sentence of the passage, word for word, that says most of what is cited."""
    score: float
    """Of the passage, for the question."""
    support: float
    """Share of the citing sentence's words that the passages cited there have."""


class Sentence(BaseModel):
    """A sentence of the answer and what was found of it."""

    text: str
    """With the blanks after it: the texts joined are the answer."""
    cited: list[int]
    """Numbers of passages that exist, as written or added by program."""
    added: list[int] = []
    """Those of `cited` that were added because the passage says it and the model did not cite it."""
    failed: list[int] = []
    """Numbers written there that did not pass."""
    problem: Problem | None = None


class Checked(BaseModel):
    """A whole answer."""

    sentences: list[Sentence]
    citations: list[Citation]

    @property
    def text(self) -> str:
        """The answer as it was written."""
        return "".join(sentence.text for sentence in self.sentences)

    @classmethod
    def plain(cls, text: str) -> "Checked":
        """A text that claims nothing, such as a refusal."""
        return cls(sentences=[Sentence(text=text, cited=[])] if text else [], citations=[])


class Mark(BaseModel, frozen=True):
    """A citation to be drawn."""

    n: int
    ok: bool
    """Whether it passed its check; one that did not must look like it."""


class Checker:
    """Checks texts against the passages of one question; give it the same answer again as it grows.

    Args:
        hits: the passages, numbered from 1 in this order.
    """

    def __init__(self, hits: "list[Hit]"):
        self._hits = hits
        self._sources = [
            Source(hit.passage.text, f"{hit.passage.document_name}\n{hit.passage.heading}") for hit in hits
        ]
        self._folded = [_folded(hit.passage.text) for hit in hits]
        self._known: dict[str, tuple[Sentence, float]] = {}

    def check(self, text: str) -> Checked:
        """Every sentence with what was found of it, and the citations that passed."""
        found = [self._sentence(each) for each in sentences(text)]
        return self._whole(found)

    def check_growing(self, text: str) -> Checked:
        """A text that is still being written: its last sentence is not judged yet, and shows no citation until it is."""
        *ended, last = sentences(text) or [""]
        rest = Sentence(text=_UNCLOSED.sub("", without_markers(last)), cited=[])
        return self._whole([*(self._sentence(each) for each in ended), (rest, 0.0)])

    def _whole(self, found: list[tuple[Sentence, float]]) -> Checked:
        best: dict[int, Citation] = {}
        for sentence, support in found:
            for n in sentence.cited:
                if n not in sentence.failed and (n not in best or best[n].support < support):
                    best[n] = self._citation(n, sentence.text, support)
        return Checked(
            sentences=[sentence.model_copy() for sentence, _ in found], citations=[best[n] for n in sorted(best)]
        )

    def _sentence(self, text: str) -> tuple[Sentence, float]:
        if text not in self._known:
            self._known[text] = self._judged(text)
        return self._known[text]

    def _judged(self, text: str) -> tuple[Sentence, float]:
        said, quoted = claim(text), _quoted(text)
        written = numbers_of(text)
        # an entity such as `&#91;` is shown as a bracket
        hidden = [n for n in numbers_of(html.unescape(text)) if n not in written]
        if not written and not hidden:
            return self._uncited(text, said, quoted)
        cited = [n for n in written if 1 <= n <= len(self._sources)]
        support = supported(said, [self._sources[n - 1] for n in cited])
        unsaid = [n for n in cited if not self._adds(n, said, quoted)]
        problem: Problem | None = None
        if len(cited) < len(written) or hidden:
            problem = "unknown_citation"
        elif not all(any(quote in self._folded[n - 1] for n in cited) for quote in quoted):
            problem = "false_quote"
        elif not support or unsaid:
            problem = "unsupported"
        passed = support > 0 and problem != "false_quote"
        failed = [n for n in written if not passed or n not in cited or n in unsaid]
        return Sentence(text=text, cited=cited, failed=failed, problem=problem), support

    def _uncited(self, text: str, said: Claim, quoted: list[str]) -> tuple[Sentence, float]:
        """A sentence without a citation gets the passage that says it, if there is one."""
        if said.empty and not quoted and not said.verdict:
            return Sentence(text=text, cited=[]), 0.0
        fitting = [n for n, folded in enumerate(self._folded, 1) if all(quote in folded for quote in quoted)]
        if quoted and not fitting:
            return Sentence(text=text, cited=[], problem="false_quote"), 0.0
        supports = {n: supported(said, [self._sources[n - 1]]) for n in fitting}
        n = max(supports, key=supports.__getitem__, default=0)  # the first of equals: passages come best first
        if not n or not supports[n]:
            return Sentence(text=text, cited=[], problem="unsupported"), 0.0
        return Sentence(text=text, cited=[n], added=[n]), supports[n]

    def _adds(self, n: int, said: Claim, quoted: list[str]) -> bool:
        """Whether a passage says a good part of the sentence, or has its quotation."""
        if any(quote in self._folded[n - 1] for quote in quoted):
            return True
        return self._sources[n - 1].share(said) >= ENOUGH_CHINESE / 2

    def _citation(self, n: int, text: str, support: float) -> Citation:
        hit = self._hits[n - 1]
        passage = hit.passage
        return Citation(
            n=n,
            base=hit.base,
            document=passage.document_name,
            document_id=passage.document,
            passage_id=passage.id,
            page=passage.page,
            line=passage.line,
            heading=passage.heading,
            quote=self._sources[n - 1].best(claim(text))[0],
            score=hit.score,
            support=round(support, 4),
        )


def check(text: str, hits: "list[Hit]") -> Checked:
    """Check an answer against the passages it was given, numbered from 1 in this order."""
    return Checker(hits).check(text)


def literally_in(quote: str, passage: str) -> bool:
    """Whether words stand in a passage one by one; width, blanks, emphasis and the punctuation at the quote's edges don't count."""
    return _folded(quote).strip(_EDGES) in _folded(passage)


def pieces(sentence: Sentence) -> list[str | Mark]:
    """A sentence cut at its citations, for drawing; those added by program come at its end."""
    text, found, place = sentence.text, [], 0
    for marker in markers(text):
        found.append(text[place : marker.start])
        found += [Mark(n=n, ok=n in sentence.cited and n not in sentence.failed) for n in marker.numbers]
        place = marker.end
    found.append(text[place:])
    if sentence.added:
        found[-1:] = _with_added(found[-1], sentence.added)
    return [piece for piece in found if piece != ""]


def marked(checked: Checked) -> str:
    """The answer as plain text: `[1]` passed, `[1?]` did not, and ` [?]` stands after a sentence with a problem."""
    return "".join(_marked(sentence) for sentence in checked.sentences)


def _marked(sentence: Sentence) -> str:
    drawn = [
        piece if isinstance(piece, str) else f"[{piece.n}]" if piece.ok else f"[{piece.n}?]"
        for piece in pieces(sentence)
    ]
    text = "".join(drawn)
    if sentence.problem is None:
        return text
    body = text.rstrip()
    return f"{body} [?]{text[len(body) :]}"


def _with_added(text: str, added: list[int]) -> list[str | Mark]:
    body = text.rstrip()
    tail = text[len(body) :]
    marks = [Mark(n=n, ok=True) for n in added]
    if body.endswith(("```", "~~~")):  # text after a fence would undo it
        return [f"{body}\n\n", *marks, tail]
    if body.startswith("|") and body.endswith("|"):  # the last cell of a row
        return [f"{body[:-1].rstrip()} ", *marks, f" |{tail}"]
    return [f"{body} ", *marks, tail]


def _quoted(text: str) -> list[str]:
    """The quotations of a sentence, folded; also those whose marks are written as entities."""
    found: dict[str, None] = {}
    for shown in dict.fromkeys((text, html.unescape(text))):
        for quotation in quotations(shown):
            words = _folded(shown[quotation.start : quotation.end]).strip(_EDGES)
            if words:
                found[words] = None
    return list(found)


def _folded(text: str) -> str:
    """One width, no blanks, no emphasis, no citations, one kind of apostrophe."""
    plain = unicodedata.normalize("NFKC", without_markers(text)).translate(_APOSTROPHES)
    return _INVISIBLE.sub("", plain)
