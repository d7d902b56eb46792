"""What judgements say, as votes: a case is two replies to one prompt, or a single reply, and each vote one person's word.

The order in which the judgements come makes no difference. Nothing here decides a case; that is `engine.preferences.build`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from engine.data.records import Message
from engine.feedback.schema import BLIND_TAG, Feedback
from engine.preferences.rules import Source


@dataclass(frozen=True)
class Vote:
    """One person's word."""

    annotator: str
    moment: datetime
    first: bool
    """Prefers the first of two replies; finds a single reply good."""
    feedback: tuple[int, ...]
    """Numbers of the judgements that say so."""
    origin: Source

    @property
    def rank(self) -> tuple[bool, datetime, tuple[int, ...]]:
        """The highest of a person's words counts: what compares two replies before what verdicts imply, then the latest."""
        return self.origin != "verdicts", self.moment, self.feedback


@dataclass
class Case:
    """What people said of the same replies to the same prompt."""

    prompt: list[Message]
    texts: tuple[str, ...]
    """Two replies, or one."""
    votes: list[Vote]

    def words(self) -> dict[str, Vote]:
        """Each person's one word."""
        return {vote.annotator: vote for vote in sorted(self.votes, key=lambda vote: vote.rank)}


def pair_cases(rows: Iterable[Feedback], sources: Collection[Source]) -> list[Case]:
    """The cases of two replies; blanks around a reply do not make it another, and equal replies make no case.

    Votes of blind comparisons make none: trained on, their prompts could not measure the next adapter.
    """
    cases: dict[tuple[Key, frozenset[str]], Case] = {}
    ordered = _oldest_first(rows)
    for prompt, better, worse, vote in (*_compared(ordered), *_implied(ordered)):
        key = (_key(prompt), frozenset((better.strip(), worse.strip())))
        if vote.origin in sources and len(key[1]) == 2:
            case = cases.setdefault(key, Case(prompt, (better, worse), []))
            case.votes.append(replace(vote, first=better.strip() == case.texts[0].strip()))
    return list(cases.values())


def thumb_cases(rows: Iterable[Feedback]) -> list[Case]:
    """The cases of one reply each, from verdicts."""
    cases: dict[tuple[Key, str], Case] = {}
    for row in _oldest_first(rows):
        if row.verdict:
            case = cases.setdefault((_key(row.prompt), row.reply.strip()), Case(row.prompt, (row.reply,), []))
            case.votes.append(_vote(row, "verdicts", row.verdict == "good"))
    return list(cases.values())


Key = tuple[tuple[str, str], ...]
Said = tuple[list[Message], str, str, Vote]
"""A prompt, the better and the worse reply to it, and whose word that is."""


def _compared(rows: list[Feedback]) -> Iterator[Said]:
    """What people said of two replies together."""
    for row in rows:
        for better, worse, origin in row.preferences():
            yield row.prompt, better, worse, _vote(row, origin)


def _implied(rows: list[Feedback]) -> Iterator[Said]:
    """What verdicts imply about each two replies to a prompt."""
    prompts: dict[Key, list[Case]] = {}
    for case in thumb_cases(rows):
        prompts.setdefault(_key(case.prompt), []).append(case)
    for cases in prompts.values():
        heard = [(case, case.words()) for case in cases]
        for (one, words), (other, other_words) in combinations(heard, 2):
            for vote in _preferences(words, other_words):
                better, worse = (one, other) if vote.first else (other, one)
                yield one.prompt, better.texts[0], worse.texts[0], vote


def _preferences(one: dict[str, Vote], other: dict[str, Vote]) -> Iterator[Vote]:
    """Who prefers which of two replies, if somebody found one of them good and somebody, perhaps another, the other bad.

    Whoever found only the first good, or only the second bad, prefers the first; whoever found both alike says nothing.
    """
    found, found_other = ({vote.first for vote in words.values()} for words in (one, other))
    if not ((True in found and False in found_other) or (False in found and True in found_other)):
        return
    for annotator in sorted(one.keys() | other.keys()):
        said = [words[annotator] for words in (one, other) if annotator in words]
        lead = _value(one.get(annotator)) - _value(other.get(annotator))
        if lead:
            numbers = tuple(number for vote in said for number in vote.feedback)
            yield Vote(annotator, max(vote.moment for vote in said), lead > 0, numbers, "verdicts")


def _value(verdict: Vote | None) -> int:
    return 0 if verdict is None else 1 if verdict.first else -1


def _vote(row: Feedback, origin: Source, first: bool = True) -> Vote:
    return Vote(row.annotator, row.updated, first, (row.id,), origin)


def _oldest_first(rows: Iterable[Feedback]) -> list[Feedback]:
    rows = (row for row in rows if not any(tag.startswith(BLIND_TAG) for tag in row.tags))
    return sorted(rows, key=lambda row: (row.created, row.id))


def _key(prompt: list[Message]) -> Key:
    return tuple((turn.role, turn.content) for turn in prompt)
