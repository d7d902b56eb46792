"""How well a knowledge base finds what it is asked for, and how well it knows what it does not hold.

Questions with known right passages are asked, and what stands where is counted, for both arms together and for each alone.
No chat model takes part. Results are kept beside the base, to be compared with those of its later versions.
"""

import contextlib
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from engine.errors import BadInput
from engine.files import write_text
from engine.knowledge import bases, database, documents, metrics, passages, retrieval
from engine.knowledge.drawing import draw_questions as draw_questions
from engine.knowledge.metrics import Point, Ranking
from engine.knowledge.questions import Question
from engine.knowledge.questions import read_questions as read_questions

FALSE_REFUSALS = 0.05
"""What share of the questions that have an answer may be refused, unless somebody wants another."""
_LOOK = 100  # as far down each arm's rank of the right passage is told
_PAGE = 1000


class Outcome(BaseModel):
    """What became of one question."""

    question: str
    right: list[str]
    """Keys of the passages that are right."""
    answerable: bool
    """Whether one of them could be found."""
    rank: int | None
    """Of the best of them, from 1; None if it is too low to be told."""
    lexical_rank: int | None
    dense_rank: int | None
    score: float
    """The greatest of all passages: what is compared with the threshold."""
    first: str | None
    """Key of the passage that comes first."""


class Evaluation(BaseModel):
    """What an evaluation found; figures are None where the questions cannot tell them."""

    id: str
    created: float
    source: str
    """The file of the questions, or how they were drawn."""
    documents: int
    passages: int
    embedding: str | None
    size: int
    """Of a passage at most, in characters."""
    overlap: int
    questions: int
    answerable: int
    fused: Ranking | None
    lexical: Ranking | None
    """Of one arm alone; None too where a reranker looks at the first passages only."""
    dense: Ranking | None
    threshold: float
    """The one that the base had."""
    false_refusals: float | None
    """Share of the answerable questions that it refuses."""
    refused: float | None
    """Share of the unanswerable questions that it refuses."""
    auroc: float | None
    """How probably a question with an answer scores higher than one without."""
    refused_at_5pct_false: float | None
    """Share of the unanswerable questions that are refused by the threshold that refuses 5 % of the answerable ones."""
    curve: list[Point]
    outcomes: list[Outcome]

    def figures(self) -> dict[str, Any]:
        """The JSON document of `kb eval`."""
        return {
            "questions": self.questions,
            "ndcg@10": self.fused and self.fused.ndcg_10,
            "recall@1": self.fused and self.fused.recall_1,
            "recall@5": self.fused and self.fused.recall_5,
            "recall@10": self.fused and self.fused.recall_10,
            "refusal_auroc": self.auroc,
            "refused_at_5pct_false": self.refused_at_5pct_false,
            "answerable": self.answerable,
            "lexical": self.lexical and self.lexical.model_dump(),
            "dense": self.dense and self.dense.model_dump(),
            "threshold": self.threshold,
            "false_refusals": self.false_refusals,
            "refused": self.refused,
            "id": self.id,
        }


def evaluate(
    base_id: str,
    questions: list[Question],
    progress: Callable[[int, int], None] = lambda done, total: None,
    source: str = "",
) -> Evaluation:
    """Ask them all, and keep the result.

    Args:
        base_id: the base.
        questions: as `read_questions` or `draw_questions` gives them.
        progress: takes the questions asked and those there are; may raise, which ends it with nothing kept.
        source: where the questions come from.

    Raises:
        BadInput: there are none, the base is empty, or one names a passage that is not there.
    """
    base = bases.read(base_id)
    if not questions:
        raise BadInput("There is no question to evaluate with.")
    if not base.passages:
        raise BadInput("“{name}” holds no passages yet: add documents first.", name=base.name)
    key = _Key(base_id)
    answers = [key.right(question) for question in questions]  # a wrong one is told before minutes have gone by
    look = metrics.DEPTH if base.reranker else _LOOK  # a reranker orders as many as it does for a person
    outcomes = []
    for number, (question, right) in enumerate(zip(questions, answers, strict=True)):
        progress(number, len(questions))
        outcomes.append(_outcome(base.id, question, right, key, look))
    progress(len(questions), len(questions))
    evaluation = _summed_up(base, source, outcomes)
    write_text(_folder(base_id) / f"{evaluation.id}.json", evaluation.model_dump_json() + "\n")
    return evaluation


def calibrate(evaluation: Evaluation, false_refusals: float = FALSE_REFUSALS) -> float:
    """The greatest threshold that refuses at most this share of the questions that have an answer.

    Raises:
        BadInput: the share is none, or no question has an answer.
    """
    if not 0 <= false_refusals < 1:
        raise BadInput("The share of false refusals must be at least 0 and less than 1.")
    threshold = metrics.threshold_for(_scores(evaluation.outcomes, answerable=True), false_refusals)
    if threshold is None:
        raise BadInput("No question of the evaluation has an answer in the knowledge base: nothing can be calibrated.")
    return threshold


def refused_at(evaluation: Evaluation, threshold: float) -> float | None:
    """The share of the questions without an answer that a threshold refuses; None if there are none."""
    return metrics.share_below(_scores(evaluation.outcomes, answerable=False), threshold)


def list_evaluations(base_id: str) -> list[Evaluation]:
    """All that were kept, newest first; a damaged file is passed over."""
    found = []
    for path in sorted(_folder(base_id).glob("*.json"), reverse=True):
        with contextlib.suppress(OSError, ValueError):
            found.append(Evaluation.model_validate_json(path.read_bytes()))
    return found


class _Key:
    """Which passages are right for a question. Passages with the same words are equally right."""

    def __init__(self, base_id: str):
        self._by_id: dict[int, passages.Passage] = {}
        self._by_key: dict[str, list[int]] = defaultdict(list)
        self._by_text: dict[str, list[int]] = defaultdict(list)
        for document in documents.list_documents(base_id):
            for offset in range(0, document.passages, _PAGE):
                for passage in passages.list_passages(base_id, document.id, offset, _PAGE):
                    self._by_id[passage.id] = passage
                    self._by_key[passage.key].append(passage.id)
                    self._by_text[passage.text].append(passage.id)

    def right(self, question: Question) -> set[int]:
        """The ids of the right passages that can be found.

        Raises:
            BadInput: the question names a passage that is not there.
        """
        found: set[int] = set()
        if question.gold is not None:
            if question.gold not in self._by_key:
                raise BadInput(
                    "Line {line} names “{gold}” as the right passage, and the knowledge base has no such passage.",
                    line=question.line,
                    gold=question.gold[:100],
                )
            for known in self._by_key[question.gold]:
                found.update(self._by_text[self._by_id[known].text])
        elif question.answer is not None:
            found = {known for known, passage in self._by_id.items() if question.answer in passage.text}
        return {known for known in found if self._by_id[known].enabled}

    def names(self, ids: set[int]) -> list[str]:
        """Their keys, in the order of the documents."""
        return [self._by_id[known].key for known in sorted(ids)]

    def tells(self, ids: set[int], other: passages.Passage) -> bool:
        """Whether a passage is one of these, or shares a part of its document with one."""
        return any(other.id == known or _overlap(self._by_id[known], other) for known in ids)


def _overlap(one: passages.Passage, other: passages.Passage) -> bool:
    return one.document == other.document and one.start < other.end and other.start < one.end


def _outcome(base_id: str, question: Question, right: set[int], key: _Key, look: int) -> Outcome:
    hits = retrieval.rank(base_id, question.question, limit=look)
    if question.left_out:
        hits = [hit for hit in hits if not key.tells(right, hit.passage)]
    ours = [(place, hit) for place, hit in enumerate(hits, 1) if hit.passage.id in right]
    return Outcome(
        question=question.question,
        right=key.names(right)[:10],
        answerable=bool(right) and not question.left_out,
        rank=min((place for place, _ in ours), default=None),
        lexical_rank=min((hit.lexical_rank for _, hit in ours if hit.lexical_rank is not None), default=None),
        dense_rank=min((hit.dense_rank for _, hit in ours if hit.dense_rank is not None), default=None),
        score=max((hit.score for hit in hits), default=0.0),
        first=hits[0].passage.key if hits else None,
    )


def _summed_up(base: bases.Base, source: str, outcomes: list[Outcome]) -> Evaluation:
    asked = [outcome for outcome in outcomes if outcome.answerable]
    answerable, absent = _scores(outcomes, answerable=True), _scores(outcomes, answerable=False)
    at_5pct = metrics.threshold_for(answerable, 0.05)
    return Evaluation(
        id=f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}",
        created=time.time(),
        source=source,
        documents=base.documents,
        passages=base.passages,
        embedding=base.embedding,
        size=base.splitter.size,
        overlap=base.splitter.overlap,
        questions=len(outcomes),
        answerable=len(asked),
        fused=metrics.ranking([outcome.rank for outcome in asked]),
        lexical=None if base.reranker else metrics.ranking([outcome.lexical_rank for outcome in asked]),
        dense=None if base.reranker else metrics.ranking([outcome.dense_rank for outcome in asked]),
        threshold=base.effective_threshold,
        false_refusals=metrics.share_below(answerable, base.effective_threshold),
        refused=metrics.share_below(absent, base.effective_threshold),
        auroc=metrics.auroc(answerable, absent),
        refused_at_5pct_false=None if at_5pct is None else metrics.share_below(absent, at_5pct),
        curve=metrics.refusal_curve(answerable, absent),
        outcomes=outcomes,
    )


def _scores(outcomes: list[Outcome], answerable: bool) -> list[float]:
    return [outcome.score for outcome in outcomes if outcome.answerable is answerable]


def _folder(base_id: str) -> Path:
    folder = database.folder(base_id) / "evaluations"
    folder.mkdir(exist_ok=True)
    return folder
