"""Judgements become training rows by the rules a person chose, and every row that a rule takes is counted.

The same judgements and rules give the same rows, in whatever order they come. What withdrawn people said is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from engine.data.records import RECORDS
from engine.errors import BadInput
from engine.feedback.schema import Feedback
from engine.feedback.withdrawn import trainable
from engine.preferences.near import merge_near
from engine.preferences.rules import PairRules
from engine.preferences.votes import Case, Vote, pair_cases, thumb_cases

Row = dict[str, Any]

REPEATED = "said again by the same person"
MERGED = "said by another person too"
NEAR = "nearly the same as another"
SHORT = "reply too short"
FEW = "judged by too few people"
DISAGREE = "people disagree"
UNSURE = "too little agreement"
BROKEN = "no usable prompt or reply"
TAKEN = (REPEATED, MERGED, NEAR, SHORT, FEW, DISAGREE, UNSURE, BROKEN)
"""What takes rows, in this order."""


@dataclass(frozen=True)
class Built:
    """What came of the judgements."""

    kind: Literal["preference", "unpaired"]
    rows: list[Row]
    """Canonical records. `source` has `feedback` (the judgements that agree), `votes` (people for and against), `origin`,
    and, if conflicts are weighed, `weight` (share of the people who agree)."""
    candidates: int
    """Preferences or verdicts that the judgements hold."""
    taken: dict[str, int]
    """How many of them each rule takes; the rest are the rows."""


def build(rules: PairRules, rows: Iterable[Feedback]) -> Built:
    """Pairs of a better and a worse reply.

    Raises:
        BadInput: there is nothing to make a pair of, or fewer people than the rules ask for.
    """
    cases = pair_cases(trainable(rows), rules.sources)
    if not cases:
        raise BadInput(
            "Nothing that people said so far makes a pair: correct replies, vote between two, or rate several replies "
            "to the same prompt."
        )
    return _built("preference", rules, cases)


def build_unpaired(rules: PairRules, rows: Iterable[Feedback]) -> Built:
    """Single replies, each good or bad by what people's verdicts say; `sources` makes no difference.

    Raises:
        BadInput: there is no verdict, or there are fewer people than the rules ask for.
    """
    cases = thumb_cases(trainable(rows))
    if not cases:
        raise BadInput("Nobody has found a reply good or bad so far: rate some replies in the chat.")
    return _built("unpaired", rules, cases)


def _built(kind: Literal["preference", "unpaired"], rules: PairRules, cases: list[Case]) -> Built:
    _check_people(rules, {vote.annotator for case in cases for vote in case.votes})
    taken: dict[str, int] = dict.fromkeys(TAKEN, 0)
    candidates = sum(len(case.votes) for case in cases)
    people = sum(len(case.words()) for case in cases)
    taken |= {REPEATED: candidates - people, MERGED: people - len(cases)}
    if rules.near_duplicates:
        kept = merge_near(cases, rules.near_duplicates)
        taken[NEAR] = len(cases) - len(kept)
        cases = kept
    rows: list[Row] = []
    for case in cases:
        made = _row(kind, rules, case)
        if isinstance(made, str):
            taken[made] += 1
        else:
            rows.append(made)
    return Built(kind, rows, candidates, taken)


def _check_people(rules: PairRules, people: set[str]) -> None:
    if rules.conflicts == "trusted" and rules.trusted not in people:
        raise BadInput("“{name}” has judged nothing that counts here: trust one of those who have.", name=rules.trusted)
    needed = max(rules.min_annotators, 2 if rules.min_agreement else 1)
    if len(people) < needed:
        raise BadInput(
            "The rules ask for the judgement of {needed} people, and {people} gave theirs: ask more people to judge, or "
            "lower min_annotators and min_agreement.",
            needed=needed,
            people=len(people),
        )


def _row(kind: Literal["preference", "unpaired"], rules: PairRules, case: Case) -> Row | str:
    """The row that a case makes, or what takes it."""
    words = case.words()
    if min(len(text.strip()) for text in case.texts) < rules.min_length:
        return SHORT
    if len(words) < rules.min_annotators:
        return FEW
    first = _outcome(rules, words)
    if first is None:
        return DISAGREE
    votes = {"for": sum(vote.first is first for vote in words.values())}
    votes["against"] = len(words) - votes["for"]
    agreement = votes["for"] / len(words)
    if agreement < rules.min_agreement:
        return UNSURE
    said = [vote for vote in case.votes if vote.first is first and words[vote.annotator].first is first]
    source = {
        "feedback": sorted({number for vote in said for number in vote.feedback}),
        "votes": votes,
        "origin": sorted({vote.origin for vote in said}),
    }
    if rules.conflicts == "weight":
        source["weight"] = round(agreement, 4)
    try:
        return RECORDS[kind].model_validate({**_texts(case, first), "source": source}).model_dump()
    except ValidationError:
        return BROKEN


def _outcome(rules: PairRules, words: dict[str, Vote]) -> bool | None:
    """Whether the first reply is the better one, or a single reply good; None where that stays open."""
    if rules.conflicts == "trusted" and rules.trusted in words:
        return words[rules.trusted].first
    lead = sum(1 if vote.first else -1 for vote in words.values())
    if lead == 0 or (rules.conflicts == "drop" and abs(lead) < len(words)):
        return None
    return lead > 0


def _texts(case: Case, first: bool) -> Row:
    prompt = [turn.model_dump() for turn in case.prompt]
    replies = [[{"role": "assistant", "content": text}] for text in case.texts]
    if len(replies) == 1:
        return {"prompt": prompt, "completion": replies[0], "label": first}
    return {"prompt": prompt, "chosen": replies[not first], "rejected": replies[first]}
