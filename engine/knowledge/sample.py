"""A knowledge base to try at once: three short documents about a product that does not exist, in English and Chinese.

Questions come with it: asked once as it is made, they show what a check looks like, and set its threshold.
"""

from pathlib import Path

from engine.knowledge import bases, evaluation, ingest
from engine.knowledge.bases import Base

NAME = "Zorvex 9"
FOLDER = Path(__file__).parent / "samples"
DOCUMENTS = ("halden-labs-letter.txt", "zorvex-9-manual.md", "泽沃九号快速指南.txt")
QUESTIONS = FOLDER / "questions.jsonl"
TRY = (
    "What does a repair cost?",
    "How long does the orange light last?",
    "无人机掉进水里怎么办？",
    "Who won the chess championship in 1986?",
)
"""Worth asking it; it holds no answer to the last."""


def create(name: str = NAME) -> Base:
    """Make the base with its documents.

    Raises:
        BadInput: it is there already.
    """
    base = bases.create(name, embedding="e5")  # the documents are in two languages
    try:
        ingest.ingest(base.id, [(document, FOLDER / document) for document in DOCUMENTS])
        found = evaluation.evaluate(base.id, evaluation.read_questions(QUESTIONS), source=QUESTIONS.name)
        return bases.change(base.id, threshold=_between(found))
    except BaseException:
        bases.delete(base.id)
        raise


def _between(found: evaluation.Evaluation) -> float:
    """Half way from what is absent to what is there. In so few passages words are rare, and scores lower than elsewhere."""
    answerable = [outcome.score for outcome in found.outcomes if outcome.answerable]
    absent = [outcome.score for outcome in found.outcomes if not outcome.answerable]
    return round((min(answerable) + max(absent)) / 2, 3)
