"""Questions drawn from a base's own passages, for an evaluation when nobody has written any.

They are made of the passages' words, so a search finds them more easily than what people ask; a chat model asks more freely.
For a share of them the passage is passed over when it is looked for: those show what happens when the base holds no answer.
"""

import random
import re
from collections.abc import Callable

from engine.errors import BadInput
from engine.knowledge import documents, passages
from engine.knowledge.passages import Passage
from engine.knowledge.questions import Question
from engine.knowledge.terms import is_chinese

ABSENT = 0.5
"""The share of the questions whose passage is passed over."""

_SENTENCE = re.compile(r"[^。！？.!?\n]+")
_CLAUSE = re.compile(r"[^，、；：,;:（）()“”\"]+")
_SHORTEST, _LONGEST = 6, 24  # Chinese characters of a question; of an English one, words: half of it

_ABOUT = {"en": "What is said about {words}?", "zh": "关于{words}，是怎么说的？"}
_HEADING = {"en": "What does the part “{words}” say?", "zh": "“{words}”这一部分讲了什么？"}
_PROMPTS = {
    "en": "Write one short question that the following passage answers. Write nothing but the question.\n\n{text}",
    "zh": "请就下面的内容提一个简短的、能从中找到答案的问题。只写这个问题。\n\n{text}",
}


def draw_questions(
    base_id: str,
    count: int = 100,
    seed: int = 0,
    absent: float = ABSENT,
    ask: Callable[[str], str] | None = None,
) -> list[Question]:
    """Questions about passages that are drawn at random; fewer if there are not as many passages that say something.

    Args:
        base_id: the base.
        count: how many.
        seed: the same gives the same, as long as the base stays as it is.
        absent: share of them whose passage is passed over when it is looked for.
        ask: takes a prompt and returns a chat model's reply; where that is no question, the simple means serve.

    Raises:
        BadInput: no passage can be asked about.
    """
    draw = random.Random(seed)
    drawn: list[tuple[str, str]] = []
    for passage in _in_random_order(base_id, draw):
        question = _simple(passage, draw)
        if question:
            drawn.append((_asked(passage, ask) or question, passage.key))
        if len(drawn) == count:
            break
    if not drawn:
        raise BadInput("No question can be drawn: the knowledge base holds no passage with a whole sentence.")
    passed_over = round(len(drawn) * absent)
    return [
        Question(question=question, gold=key, left_out=number < passed_over)
        for number, (question, key) in enumerate(drawn)
    ]


def _in_random_order(base_id: str, draw: random.Random):
    places = [
        (document.id, place) for document in documents.list_documents(base_id) for place in range(document.passages)
    ]
    draw.shuffle(places)
    for document, place in places:
        for passage in passages.list_passages(base_id, document, offset=place, limit=1):
            if passage.enabled:
                yield passage


def _simple(passage: Passage, draw: random.Random) -> str:
    """A question about a part of one of its sentences, or now and then about its heading; empty if it has none."""
    heading = passage.heading.split(" › ")[-1]
    if passage.place == 0 and heading and draw.random() < 0.3:
        return _HEADING["zh" if is_chinese(heading) else "en"].format(words=heading)
    sentences = [sentence for sentence in _SENTENCE.findall(passage.text) if _parts(sentence)]
    if not sentences:
        return ""
    sentence = draw.choice(sentences)
    return _ABOUT["zh" if is_chinese(sentence) else "en"].format(words=draw.choice(_parts(sentence)))


def _parts(sentence: str) -> list[str]:
    """What of a sentence may be asked about: clauses in Chinese, runs of half of the words elsewhere."""
    if is_chinese(sentence):
        clauses = (clause.strip() for clause in _CLAUSE.findall(sentence))
        return [clause for clause in clauses if _SHORTEST <= len(clause) <= _LONGEST]
    words = sentence.split()
    half = min(len(words) // 2, _LONGEST // 2)
    if half < 3:
        return []
    return [" ".join(words[start : start + half]).strip(",;:()\"'“”") for start in range(len(words) - half + 1)]


def _asked(passage: Passage, ask: Callable[[str], str] | None) -> str:
    """The model's question; empty if it wrote none."""
    if ask is None:
        return ""
    reply = ask(_PROMPTS["zh" if is_chinese(passage.text) else "en"].format(text=passage.text))
    lines = [line.strip().strip('"“”') for line in reply.strip().splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return first if first.endswith(("?", "？")) and 4 <= len(first) <= 200 else ""
