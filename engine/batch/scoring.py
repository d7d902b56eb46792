"""How good the replies are: against a reference column, and by a reward model, which judges every reply.

A failed row counts as an empty reply against its reference, and is not judged.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from engine.batch.prompts import Asking, Messages
from engine.batch.results import Result, in_order
from engine.batch.source import Source
from engine.batch.spec import BatchSpec
from engine.batch.template import text_of
from engine.files import read_jsonl, whole_file
from engine.models.host import host
from engine.models.reward import RewardModel
from engine.runs import Run
from engine.training import metrics

MOST_COMPARED = 100_000
"""Rows compared with their references at most, the first: BLEU of a corpus needs them in memory."""
TIE = 1e-6
"""Rewards that differ by no more are a tie."""

_AT_ONCE = 64

Scores = dict[str, dict[str, float]]


def score(run: Run, spec: BatchSpec, source: Source, judged: Callable[[int], None]) -> Scores:
    """Scores of each column of replies; see `engine.batch.results.Counts`.

    Args:
        run: all of whose rows have a result.
        spec: what to do.
        source: the run's file.
        judged: called with the number of rows judged so far; what it raises ends the judging.
    """
    scores: Scores = {column: {} for column in spec.sides}
    if spec.reference:
        for column, figures in _compare(run, spec, source).items():
            scores[column] |= figures
    if spec.judge:
        for column, figures in _judge(run, spec, source, judged).items():
            scores[column] |= figures
    return {column: figures for column, figures in scores.items() if figures}


class Rewards:
    """The rewards of a run's rows, to be asked for in the order of the rows.

    Args:
        run: which may have none.
    """

    def __init__(self, run: Run):
        self._lines = read_jsonl(_rewards_file(run))
        self._next = next(self._lines, None)

    def of(self, row: int) -> dict[str, float]:
        """By column; empty for a row that was not judged."""
        if self._next is None or self._next["row"] != row:
            return {}
        rewards, self._next = self._next["rewards"], next(self._lines, None)
        return rewards


def _compare(run: Run, spec: BatchSpec, source: Source) -> Scores:
    references: list[str] = []
    replies: dict[str, list[str]] = {column: [] for column in spec.sides}
    for row, result in in_order(run, source):
        reference = text_of(row.get(spec.reference or "")) if isinstance(row, dict) else ""
        if not reference.strip() or len(references) == MOST_COMPARED:
            continue
        references.append(reference)
        for column, texts in replies.items():
            texts.append(result.replies.get(column, "") if result else "")
    if not references:
        return {}
    return {column: asdict(metrics.score(texts, references)) for column, texts in replies.items()}


def _judge(run: Run, spec: BatchSpec, source: Source, judged: Callable[[int], None]) -> Scores:
    host().unload()  # the judge needs the memory
    judge = RewardModel(spec.judge or "")
    sums = dict.fromkeys(spec.sides, 0.0)
    wins = rows = 0.0
    answered = _answered(run, spec, source)
    with whole_file(_rewards_file(run)) as temporary, temporary.open("w", encoding="utf-8") as file:
        while batch := list(islice(answered, _AT_ONCE)):
            judged(int(rows))
            by_side = {
                column: judge.score([(messages, result.replies[column]) for messages, result in batch])
                for column in spec.sides
            }
            for place, (_, result) in enumerate(batch):
                rewards = {spec.rewards[column]: values[place] for column, values in by_side.items()}
                file.write(json.dumps({"row": result.row, "rewards": rewards}) + "\n")
                wins += _win(list(rewards.values()))
            sums = {column: total + sum(by_side[column]) for column, total in sums.items()}
            rows += len(batch)
    judged(int(rows))
    scores: Scores = {column: {"reward": total / rows} for column, total in sums.items()} if rows else {}
    if rows and "reply_b" in scores:
        scores["reply_b"]["win_rate"] = 100 * wins / rows
    return scores


def _answered(run: Run, spec: BatchSpec, source: Source) -> Iterator[tuple[Messages, Result]]:
    asking = Asking(spec)
    for row, result in in_order(run, source):
        if result and not result.failed:
            yield asking.messages(row), result


def _win(rewards: list[float]) -> float:
    """Of the second over the first: 1, 0, or a half for a tie."""
    if len(rewards) < 2 or abs(rewards[1] - rewards[0]) <= TIE:
        return 0.5
    return float(rewards[1] > rewards[0])


def _rewards_file(run: Run) -> Path:
    return run.path / "rewards.jsonl"
