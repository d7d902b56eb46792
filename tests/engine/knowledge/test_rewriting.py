"""Follow-ups: told from questions that stand alone, rewritten if the model is any good, looked up with the earlier question if not."""

import pytest

from engine.knowledge import retrieval
from engine.knowledge.rewriting import combined, good, is_follow_up, standalone
from tests.engine.knowledge.helpers import HARBOUR, LANTERN, filled
from tests.engine.knowledge.stubs import StubSpeaker, silent

ASKED = "What is the Zorvex 9?"
HISTORY = [
    {"role": "user", "content": ASKED},
    {"role": "assistant", "content": "A pocket lantern made in Tromsø."},
]
FOLLOW_UP = "And how long does it last?"
FALLBACK = f"{ASKED} {FOLLOW_UP}"


@pytest.mark.parametrize(
    "question",
    [FOLLOW_UP, "How heavy is it?", "Why?", "What about charging?", "What does that mean?", "Can children use it?",
     "它多重？", "能飞多久？", "那充电呢？", "谁发明的？", "多少钱？"],
)  # fmt: skip
def test_what_cannot_be_understood_alone(question):
    assert is_follow_up(question)


@pytest.mark.parametrize(
    "question",
    [ASKED, "What is photosynthesis?", "Is there a warranty?", "Who won the chess championship in 1986?",
     "How expensive is the Zorvex?", "光合作用是什么？", "无人机掉进水里怎么办？", "泽沃九号的重量是多少？"],
)  # fmt: skip
def test_what_stands_alone(question):
    assert not is_follow_up(question)
    assert standalone(question, HISTORY, silent()) == question


def test_nothing_before_leaves_the_question():
    assert standalone(FOLLOW_UP, [], silent()) == FOLLOW_UP
    assert standalone(FOLLOW_UP, [{"role": "assistant", "content": "Hello!"}], silent()) == FOLLOW_UP


@pytest.mark.parametrize("written", ["How long does the Zorvex 9 last?", "“And how long does the Zorvex 9 last?”\n"])
def test_a_good_rewriting_is_taken(written):
    assert standalone(FOLLOW_UP, HISTORY, StubSpeaker.saying(written)) == written.strip("“”\n")


@pytest.mark.parametrize(
    "written",
    [
        "",
        "The Zorvex 9 lasts forty hours.",  # an answer
        "How long does the Zorvex 9 last? It lasts forty hours.",
        "What is the Zorvex 9?",  # another question
        "How long does the Eiffel tower last?",  # something nobody spoke of
        "How long does the Zorvex 9 last " + "and last " * 40 + "?",
        "How long does it last?\nThe Zorvex 9.",
        "泽沃九号能用多久？",
    ],
)
def test_a_bad_rewriting_is_not(written):
    assert not good(written, FOLLOW_UP, HISTORY)
    assert standalone(FOLLOW_UP, HISTORY, StubSpeaker.saying(written)) == FALLBACK


def test_a_model_that_fails_costs_nothing():
    def fail(_):
        raise RuntimeError("out of memory")

    assert standalone(FOLLOW_UP, HISTORY, StubSpeaker.saying(fail)) == FALLBACK


def test_a_chain_of_follow_ups_keeps_its_subject():
    history = [*HISTORY, {"role": "user", "content": FOLLOW_UP}, {"role": "assistant", "content": "Forty hours."}]
    assert combined("How heavy is it?", history) == f"{ASKED} How heavy is it?"
    assert combined("多少钱？", [{"role": "user", "content": "灵犀九号是什么？"}]) == "灵犀九号是什么？ 多少钱？"


def test_the_model_sees_the_conversation():
    speaker = StubSpeaker.saying("")
    standalone(FOLLOW_UP, HISTORY, speaker)
    assert "User: What is the Zorvex 9?\nAssistant: A pocket lantern" in speaker.asked[0][0]["content"]


def test_a_follow_up_finds_what_it_is_about(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    found = retrieval.search([base.id], standalone(FOLLOW_UP, HISTORY, StubSpeaker.saying("It lasts.")))
    assert "forty hours" in found.hits[0].passage.text
