"""Evaluations: files of questions, figures against plain definitions, a threshold that keeps its word, results that are kept."""

import json
import math
import random

import pytest

from engine.errors import BadInput
from engine.knowledge import bases, database, documents, evaluation, metrics, passages
from engine.knowledge.ingest import ingest
from engine.knowledge.questions import Question, read_questions

FACTS = {
    "opening": "图书馆周一到周六早上九点开门，晚上六点关门。",
    "loans": "每本图书可以借阅四个星期，电影光盘只能借一个星期。",
    "fines": "逾期归还的读者每天要付一角钱的滞纳金。",
    "cafe": "地下一层的咖啡馆出售三明治、热汤和新鲜果汁。",
    "garden": "屋顶花园里种着薰衣草，夏天有许多蜜蜂飞来采蜜。",
    "lift": "电梯正在维修，行动不便的读者请从北门的坡道进入。",
}
ASKED = [
    {"question": "图书馆几点开门？", "gold": "opening"},
    {"question": "电影光盘能借多久？", "gold": "loans"},
    {"question": "逾期归还要付多少滞纳金？", "gold": "fines"},
    {"question": "咖啡馆卖什么？", "gold": "cafe"},
    {"question": "火星上最高的山叫什么？", "gold": None},
    {"question": "谁发明了蒸汽机？", "gold": None},
]


@pytest.fixture
def write(tmp_path):
    """Writes lines and returns the path; what is no text becomes JSON."""

    def lines(*values: object, name: str = "questions.jsonl"):
        path = tmp_path / name
        words = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
        path.write_text("\n".join(words), encoding="utf-8")
        return path

    return lines


@pytest.fixture
def base(studio_home, write):
    """A base with ready-made passages."""
    made = bases.create("图书馆", language="zh")
    path = write(*({"id": key, "text": text} for key, text in FACTS.items()), name="facts.jsonl")
    ingest(made.id, [(path.name, path)], passages=True)
    return bases.get(made.id)


def test_figures_against_their_definitions():
    draw = random.Random(1)
    right = [draw.choice([0.2, 0.4, 0.6, 0.8, draw.random()]) for _ in range(70)]
    absent = [draw.choice([0.2, 0.4, draw.random() * 0.7]) for _ in range(50)]
    pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in right for other in absent]
    assert metrics.auroc(right, absent) == pytest.approx(sum(pairs) / len(pairs))
    for share in (0, 0.05, 0.1, 0.5):
        threshold = metrics.threshold_for(right, share)
        assert threshold is not None
        refused = sum(score < threshold for score in right) / len(right)
        more = [level for level in [*right, *absent] if level > threshold]
        assert refused <= share
        assert all(sum(score < level for score in right) / len(right) > share for level in more)  # it is the greatest
    for point in metrics.refusal_curve(right, absent):
        assert point.false_refusals == metrics.share_below(right, point.threshold)
        assert point.refused == metrics.share_below(absent, point.threshold)
    curve = metrics.refusal_curve(right, absent)
    assert (curve[0].false_refusals, curve[0].refused, curve[-1].false_refusals, curve[-1].refused) == (0, 0, 1, 1)
    ranks = [1, 1, 3, 7, None, 11]
    figures = metrics.ranking(ranks)
    assert figures is not None
    assert figures.ndcg_10 == pytest.approx((1 + 1 + 1 / math.log2(4) + 1 / math.log2(8)) / 6)
    assert [figures.recall_1, figures.recall_5, figures.recall_10] == pytest.approx([2 / 6, 3 / 6, 4 / 6])


def test_what_cannot_be_told_is_none():
    assert metrics.ranking([]) is None and metrics.threshold_for([], 0.05) is None
    assert metrics.auroc([1.0], []) is None and metrics.auroc([], [1.0]) is None
    assert metrics.refusal_curve([1.0], []) == [] and metrics.share_below([], 0.5) is None
    assert metrics.threshold_for([0.3], 0.99) == 0.3
    assert metrics.threshold_for([*[0.1] * 3, *[0.5] * 57], 0.05) == 0.5, "3 of 60 are 5 %"


def test_questions_of_a_file(write):
    path = write("\ufeff" + json.dumps(ASKED[0]), "", {"question": " 谁？ ", "gold": None}, {"question": "x", "gold": 12},
                 {"question": "几点？", "answer": "九点"})  # fmt: skip
    assert read_questions(path) == [
        Question(question="图书馆几点开门？", gold="opening", line=1),
        Question(question="谁？", gold=None, line=3),
        Question(question="x", gold="12", line=4),
        Question(question="几点？", answer="九点", line=5),
    ]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "is empty"),
        (["", "  "], "is empty"),
        ([ASKED[0], "{oops"], "not valid JSON: line 2"),
        ([ASKED[0], "", "[1]"], "line 3: there is no question"),
        ([{"question": "  ", "gold": None}], "line 1: there is no question"),
        ([{"question": 5, "gold": None}], "line 1: there is no question"),
        ([{"question": "x"}], "line 1: write the key"),
        ([{"question": "x", "gold": ["a"]}], "line 1: gold must be a text"),
        ([{"question": "x", "gold": True}], "line 1: gold must be a text"),
        ([{"question": "x", "answer": ""}], "line 1: answer must be a text"),
        (["[" * 100_000], "not valid JSON: line 1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_broken_files_name_the_line(write, lines, sentence):
    with pytest.raises(BadInput, match=sentence):
        read_questions(write(*lines))


def test_no_file(tmp_path):
    with pytest.raises(BadInput, match="There is no file"):
        read_questions(tmp_path / "none.jsonl")


def test_evaluate(base, write):
    seen = []
    done = evaluation.evaluate(base.id, read_questions(write(*ASKED)), lambda *steps: seen.append(steps), "six")
    figures = done.figures()
    assert {
        "questions",
        "ndcg@10",
        "recall@1",
        "recall@5",
        "recall@10",
        "refusal_auroc",
        "refused_at_5pct_false",
    } <= set(figures)
    assert (figures["questions"], figures["answerable"]) == (6, 4)
    assert figures["recall@5"] == 1 and figures["refusal_auroc"] == 1 and figures["refused_at_5pct_false"] == 1
    assert seen[0] == (0, 6) and seen[-1] == (6, 6)
    assert done.lexical and done.dense and done.lexical.recall_10 == 1
    assert [outcome.rank for outcome in done.outcomes][4:] == [None, None]
    assert evaluation.list_evaluations(base.id) == [done]
    assert json.loads(json.dumps(figures)) == figures


def test_without_unanswerable_questions_refusal_is_not_told(base, write):
    done = evaluation.evaluate(base.id, read_questions(write(*ASKED[:4]))).figures()
    assert done["refusal_auroc"] is None and done["refused_at_5pct_false"] is None and done["ndcg@10"] > 0.9
    done = evaluation.evaluate(base.id, read_questions(write(*ASKED[4:]))).figures()
    assert done["ndcg@10"] is None and done["refusal_auroc"] is None


def test_an_unknown_gold_and_an_empty_base_are_refused(base, write):
    with pytest.raises(BadInput, match="Line 2 names “nothing”"):
        evaluation.evaluate(base.id, read_questions(write(ASKED[0], {"question": "x", "gold": "nothing"})))
    with pytest.raises(BadInput, match="holds no passages"):
        evaluation.evaluate(bases.create("empty").id, read_questions(write(ASKED[0])))
    with pytest.raises(BadInput, match="no question"):
        evaluation.evaluate(base.id, [])
    assert evaluation.list_evaluations(base.id) == []


def test_what_a_question_has_for_right(base, write, tmp_path):
    """By its answer: every passage in which it stands. By its key: passages with the same words too. Never a disabled one."""
    again = tmp_path / "again.jsonl"
    again.write_text(json.dumps({"id": "copy", "text": FACTS["loans"]}), encoding="utf-8")
    ingest(base.id, [("again.jsonl", again)], passages=True)
    asked = write(
        {"question": "电影光盘能借多久？", "answer": "四个星期"}, {"question": "电影光盘能借多久？", "gold": "copy"}
    )
    done = evaluation.evaluate(base.id, read_questions(asked))
    assert [sorted(outcome.right) for outcome in done.outcomes] == [["copy", "loans"]] * 2
    for document in documents.list_documents(base.id):
        for passage in passages.list_passages(base.id, document.id):
            if passage.key in ("loans", "copy"):
                passages.set_enabled(base.id, passage.id, False)
    done = evaluation.evaluate(base.id, read_questions(asked))
    assert [outcome.answerable for outcome in done.outcomes] == [False, False]


def test_calibrate_keeps_its_word(base, write):
    done = evaluation.evaluate(base.id, read_questions(write(*ASKED)))
    scores = sorted(outcome.score for outcome in done.outcomes if outcome.answerable)
    assert evaluation.calibrate(done, 0) == scores[0]
    assert evaluation.calibrate(done, 0.25) == scores[1]
    assert evaluation.refused_at(done, evaluation.calibrate(done)) == 1
    bases.change(base.id, threshold=evaluation.calibrate(done, 0.25))
    again = evaluation.evaluate(base.id, read_questions(write(*ASKED)))
    assert (again.false_refusals, again.refused) == (0.25, 1)
    with pytest.raises(BadInput, match="false refusals"):
        evaluation.calibrate(done, 1)
    with pytest.raises(BadInput, match="nothing can be calibrated"):
        evaluation.calibrate(evaluation.evaluate(base.id, read_questions(write(*ASKED[4:]))))


def test_drawn_questions(base):
    drawn = evaluation.draw_questions(base.id, 6, seed=3)
    assert drawn == evaluation.draw_questions(base.id, 6, seed=3) != evaluation.draw_questions(base.id, 6, seed=4)
    assert len(drawn) == 6 and sum(question.left_out for question in drawn) == 3
    for question in drawn:
        assert question.gold and question.question.startswith("关于") and question.question.endswith("？")
        assert question.question.removeprefix("关于").removesuffix("，是怎么说的？") in FACTS[question.gold]
    done = evaluation.evaluate(base.id, drawn)
    assert (done.answerable, done.questions) == (3, 6)
    assert done.fused and done.fused.recall_1 == 1 and done.auroc == 1
    for outcome, question in zip(done.outcomes, drawn, strict=True):
        assert (outcome.first == question.gold) is not question.left_out, "the passage is passed over"


def test_a_model_may_ask_and_its_nonsense_is_not_taken(base):
    prompts = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "“什么时候开门？”\n（九点）" if len(prompts) == 1 else "好的。"

    drawn = evaluation.draw_questions(base.id, 3, ask=ask)
    assert drawn[0].question == "什么时候开门？" and drawn[1].question.startswith("关于")
    assert drawn[0].gold and FACTS[drawn[0].gold] in prompts[0]


def test_nothing_to_draw_from(studio_home, write):
    made = bases.create("x", language="zh")
    path = write({"id": "a", "text": "短。"}, name="short.jsonl")
    ingest(made.id, [(path.name, path)], passages=True)
    with pytest.raises(BadInput, match="No question can be drawn"):
        evaluation.draw_questions(made.id)


def test_results_are_kept_newest_first_and_go_with_the_base(base, write):
    first = evaluation.evaluate(base.id, read_questions(write(*ASKED)), source="first")
    later = first.model_copy(update={"id": "99991231-000000-abcd", "source": "later"})
    folder = database.folder(base.id) / "evaluations"
    (folder / f"{later.id}.json").write_text(later.model_dump_json())
    (folder / "broken.json").write_text("{")
    assert [kept.source for kept in evaluation.list_evaluations(base.id)] == ["later", "first"]
    bases.delete(base.id)
    assert not folder.exists()
