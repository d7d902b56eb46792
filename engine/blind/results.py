"""What a blind session has found so far: how often the new adapter won, and how sure that is. Only reads.

The prompts are the sample, not the votes: several people's votes on one prompt are about the same two replies, so each
prompt counts once, with the mean of its votes, and the interval is that of the number of prompts. Counting the votes as if
each were a new prompt would make it too narrow (Cameron & Miller 2015, doi.org/10.3368/jhr.50.2.317).
"""

from collections import Counter, defaultdict

from sqlalchemy import select

from engine.blind.schema import VoteRow
from engine.database import session
from engine.feedback.schema import FeedbackRow
from engine.feedback.withdrawn import withdrawn
from engine.statistics import WinRate, win_rate

OUTCOMES = {"a": 1.0, "tie": 0.5, "both_bad": 0.5, "b": 0.0}
"""For the new adapter, which is side a."""


def result(session_id: int) -> WinRate | None:
    """How often the new adapter won, over prompts; one on which people disagree is a tie in the counts.

    Returns:
        None before the first vote.
    """
    by_item: dict[int, list[float]] = defaultdict(list)
    for item, _, outcome in votes(session_id):
        by_item[item].append(outcome)
    return win_rate([sum(outcomes) / len(outcomes) for outcomes in by_item.values()])


def votes_by(session_id: int) -> dict[str, int]:
    """How many items each person has voted on."""
    return dict(Counter(annotator for _, annotator, _ in votes(session_id)))


def votes(session_id: int) -> list[tuple[int, str, float]]:
    """Item, person and outcome (1 if the new adapter won) of each vote that counts.

    A vote says what its feedback says now; those of withdrawn people are left out.
    """
    gone = withdrawn()
    query = (
        select(VoteRow.item_id, VoteRow.annotator, FeedbackRow.winner)
        .join(FeedbackRow, FeedbackRow.id == VoteRow.feedback_id)
        .where(VoteRow.session_id == session_id)
        .order_by(VoteRow.id)
    )
    with session() as db:
        rows = db.execute(query).all()
    return [(item, name, OUTCOMES[winner]) for item, name, winner in rows if winner and name not in gone]
