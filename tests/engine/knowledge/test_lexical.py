"""BM25: equal to the formula written out, whatever way the passages came in."""

import math
import random
from collections import Counter

import pytest

from engine.knowledge import bases, ingest, lexical
from engine.knowledge.database import reading
from engine.knowledge.lexical import LEAST, Lexical
from engine.knowledge.terms import is_chinese, question_terms, terms
from tests.engine.knowledge.helpers import write

WORDS = [f"w{number}" for number in range(40)]


def expected(texts: list[str], question: str) -> list[float]:
    """Each text's share of the reachable score, by the formula and nothing else."""
    counted = [Counter(terms(text)) for text in texts]
    mean = sum(sum(each.values()) for each in counted) / len(texts)
    asked, reachable, scores = dict.fromkeys(question_terms(question)), 0.0, [0.0] * len(texts)
    for term in asked:
        with_term = sum(term in each for each in counted)
        weight = math.log(1 + (max(LEAST, len(texts)) - with_term + 0.5) / (with_term + 0.5))
        reachable += weight
        for place, each in enumerate(counted):
            norm = lexical.K1 * (1 - lexical.B + lexical.B * sum(each.values()) / mean)
            scores[place] += weight * each[term] / (each[term] + norm)
    return [score / reachable for score in scores]


def test_scores_are_those_of_the_formula_however_passages_come_and_go(tmp_path, monkeypatch):
    monkeypatch.setattr(lexical, "_MOST_SEGMENTS", 3)
    draw = random.Random(0)
    base = bases.create("Words", embedding="minilm")
    kept = Lexical()
    texts: dict[str, str] = {}
    for turn in range(12):
        name = f"d{draw.randrange(6)}.txt"
        texts[name] = " ".join(draw.choices(WORDS, k=draw.randrange(3, 60)))
        ingest.ingest(base.id, [write(tmp_path, name, texts[name])])
        question = " ".join(draw.choices(WORDS, k=4)) + " unheard"
        with reading(base.id) as db:
            order = [row[0] for row in db.execute("SELECT text FROM passages ORDER BY vector")]
            kept.refresh(db)
            fresh = Lexical()
            fresh.refresh(db)
        assert sorted(order) == sorted(texts.values()), turn
        for index in (kept, fresh):
            assert index.score(question)[1].tolist() == pytest.approx(expected(order, question), abs=1e-5)


def test_terms_of_both_scripts():
    assert terms("The Harbours’ DEPTHS: ３７ m") == ["harbour", "depth", "37", "m"]
    assert terms("灯塔高37米") == ["灯", "塔", "高", "灯塔", "塔高", "37", "米"]
    assert question_terms("请问灯塔有多高？") == terms("灯塔有 高")
    assert question_terms("什么？") == terms("什么")
    assert is_chinese("ISO 9001 认证要求") and not is_chinese("the word 灯塔 means lighthouse") and not is_chinese("")
