"""Small sets of judgements with exactly the pairs they make; and what holds for any set of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.records import Preference, Unpaired
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.schema import Feedback, Reply
from engine.feedback.withdrawn import readmit, withdraw
from engine.preferences.build import Built, build, build_unpaired
from engine.preferences.datasets import split_pairs
from engine.preferences.rules import PairRules

PROMPT = [{"role": "user", "content": "What is a whale?"}]
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def row(number: int, annotator: str, kind: str, reply: str, other: str | None = None, **values) -> Feedback:
    """A judgement; a higher number is a later one."""
    moment = NOON + timedelta(minutes=number)
    sides = {"reply_b": other, "left_side": "a"} if other else {}
    about = {"id": number, "created": moment, "updated": moment, "annotator": annotator, "kind": kind, "prompt": PROMPT}
    return Feedback(**{**about, "reply": reply, "model": "m", **sides, **values})


def vote(number: int, who: str, winner: str, a: str = "one", b: str = "two", **values) -> Feedback:
    return row(number, who, "comparison", a, b, winner=winner, **values)


def kept(number: int, who: str, better: str, worse: str) -> Feedback:
    return row(number, who, "kept", better, worse, winner="a")


def thumb(number: int, who: str, reply: str, verdict: str, **values) -> Feedback:
    return row(number, who, "rating", reply, verdict=verdict, **values)


def fixed(number: int, who: str, reply: str, correction: str) -> Feedback:
    return row(number, who, "rating", reply, correction=correction)


def pairs(built: Built) -> list[tuple[str, str, list[int], str]]:
    """Chosen, rejected, judgements, and people for:against."""
    return [
        (
            made["chosen"][0]["content"],
            made["rejected"][0]["content"],
            made["source"]["feedback"],
            "{for}:{against}".format(**made["source"]["votes"]),
        )
        for made in built.rows
    ]


def taken(built: Built) -> dict[str, int]:
    return {rule: count for rule, count in built.taken.items() if count}


AGAIN, MERGED, DISAGREE = "said again by the same person", "said by another person too", "people disagree"
TWO_TO_ONE = [vote(1, "ann", "a"), vote(2, "bob", "a"), vote(3, "cat", "b")]
ONE_TO_ONE = [vote(1, "ann", "a"), vote(2, "bob", "b")]


@pytest.mark.parametrize(
    ("rules", "rows", "expected", "takes"),
    [
        # one judgement
        ({}, [vote(1, "ann", "a")], [("one", "two", [1], "1:0")], {}),
        ({}, [vote(1, "ann", "b")], [("two", "one", [1], "1:0")], {}),
        ({}, [fixed(1, "ann", "one", "right")], [("right", "one", [1], "1:0")], {}),
        ({}, [kept(1, "ann", "two", "one")], [("two", "one", [1], "1:0")], {}),
        # a correction of a comparison is better than both of its sides, whoever won
        (
            {},
            [vote(1, "ann", "both_bad", correction="right")],
            [("right", "one", [1], "1:0"), ("right", "two", [1], "1:0")],
            {},
        ),
        (
            {},
            [vote(1, "ann", "a", correction="right")],
            [("right", "one", [1], "1:0"), ("right", "two", [1], "1:0"), ("one", "two", [1], "1:0")],
            {},
        ),
        # edits of edits: the pairs that were recorded, and no others
        (
            {},
            [kept(1, "ann", "two", "one"), kept(2, "ann", "three", "two")],
            [("two", "one", [1], "1:0"), ("three", "two", [2], "1:0")],
            {},
        ),
        # good over bad, also across people; whoever found both alike says nothing
        ({}, [thumb(1, "ann", "one", "good"), thumb(2, "ann", "two", "bad")], [("one", "two", [1, 2], "1:0")], {}),
        (
            {},
            [thumb(1, "ann", "one", "good"), thumb(2, "bob", "two", "bad")],
            [("one", "two", [1, 2], "2:0")],
            {MERGED: 1},
        ),
        (
            {},
            [thumb(1, "ann", "one", "good"), thumb(2, "ann", "two", "good"), thumb(3, "bob", "two", "bad")],
            [("one", "two", [3], "1:0")],
            {},
        ),
        # the same said by several people, and twice by one
        ({}, [vote(1, "ann", "a"), kept(2, "bob", "one", "two")], [("one", "two", [1, 2], "2:0")], {MERGED: 1}),
        ({}, [vote(1, "ann", "a"), kept(2, "ann", "one", "two")], [("one", "two", [1, 2], "1:0")], {AGAIN: 1}),
        ({}, [vote(1, "ann", "a"), vote(2, "ann", "b", "one ", " two")], [("two", "one", [2], "1:0")], {AGAIN: 1}),
        # who changed their mind is against, and their first word is no ground
        (
            {},
            [vote(1, "ann", "a"), vote(2, "ann", "b"), vote(3, "bob", "a"), vote(4, "cat", "a")],
            [("one", "two", [3, 4], "2:1")],
            {AGAIN: 1, MERGED: 2},
        ),
        # what a person compared counts more than what later verdicts imply
        (
            {},
            [vote(1, "ann", "a"), thumb(2, "ann", "two", "good"), thumb(3, "ann", "one", "bad")],
            [("one", "two", [1], "1:0")],
            {AGAIN: 1},
        ),
        # conflicts
        ({}, TWO_TO_ONE, [("one", "two", [1, 2], "2:1")], {MERGED: 2}),
        ({}, ONE_TO_ONE, [], {MERGED: 1, DISAGREE: 1}),
        ({"conflicts": "drop"}, TWO_TO_ONE, [], {MERGED: 2, DISAGREE: 1}),
        ({"conflicts": "drop"}, TWO_TO_ONE[:2], [("one", "two", [1, 2], "2:0")], {MERGED: 1}),
        ({"conflicts": "weight"}, TWO_TO_ONE, [("one", "two", [1, 2], "2:1")], {MERGED: 2}),
        ({"conflicts": "weight"}, ONE_TO_ONE, [], {MERGED: 1, DISAGREE: 1}),
        ({"conflicts": "trusted", "trusted": "cat"}, TWO_TO_ONE, [("two", "one", [3], "1:2")], {MERGED: 2}),
        (
            {"conflicts": "trusted", "trusted": "cat"},
            [*ONE_TO_ONE, kept(3, "cat", "three", "one")],
            [("three", "one", [3], "1:0")],
            {MERGED: 1, DISAGREE: 1},
        ),
        # what is too little
        ({"min_agreement": 0.7}, TWO_TO_ONE, [], {MERGED: 2, "too little agreement": 1}),
        ({"min_agreement": 0.6}, TWO_TO_ONE, [("one", "two", [1, 2], "2:1")], {MERGED: 2}),
        (
            {"min_annotators": 2},
            [vote(1, "ann", "a"), vote(2, "ann", "a", "x", "y"), vote(3, "bob", "a")],
            [("one", "two", [1, 3], "2:0")],
            {MERGED: 1, "judged by too few people": 1},
        ),
        ({"min_length": 4}, [fixed(1, "ann", "long enough", "abc ")], [], {"reply too short": 1}),
        ({"min_length": 3}, [fixed(1, "ann", "long enough", "abc ")], [("abc ", "long enough", [1], "1:0")], {}),
        # only some sources
        ({"sources": ["votes"]}, [vote(1, "ann", "a"), fixed(2, "ann", "one", "x")], [("one", "two", [1], "1:0")], {}),
        # a prompt that ends with a reply is none
        (
            {},
            [vote(1, "ann", "a", prompt=[*PROMPT, {"role": "assistant", "content": "Hm."}])],
            [],
            {"no usable prompt or reply": 1},
        ),
    ],
)
def test_the_pairs_are_exactly_these(rules, rows, expected, takes):
    built = build(PairRules(**rules), rows)
    assert pairs(built) == expected
    assert taken(built) == takes
    assert built.candidates == len(built.rows) + sum(built.taken.values())
    for made in built.rows:
        assert Preference.model_validate(made).model_dump() == made


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [vote(1, "ann", "tie"), vote(2, "ann", "both_bad"), vote(3, "ann", "a", "one", "one ")],
        [fixed(1, "ann", "one", " one")],
        [thumb(1, "ann", "one", "good"), thumb(2, "bob", "one", "bad")],
        [thumb(1, "ann", "one", "good"), thumb(2, "bob", "two", "good"), thumb(3, "cat", "two", "good")],
        [thumb(1, "ann", "one", "good"), thumb(2, "bob", "two", "bad", prompt=[{"role": "user", "content": "Hm?"}])],
    ],
)
def test_what_makes_no_pair_is_said_in_a_sentence(rows):
    with pytest.raises(BadInput, match="makes a pair: correct replies"):
        build(PairRules(), rows)


def test_only_weighed_conflicts_have_a_weight():
    (weighed,) = build(PairRules(conflicts="weight"), TWO_TO_ONE).rows
    assert weighed["source"]["weight"] == pytest.approx(2 / 3, abs=1e-4)
    assert "weight" not in build(PairRules(), TWO_TO_ONE).rows[0]["source"]


def test_a_pair_says_what_it_is_made_of():
    rows = [vote(1, "ann", "a"), kept(2, "bob", "one", "two"), thumb(3, "cat", "one", "good")]
    assert build(PairRules(), rows).rows[0]["source"] == {
        "feedback": [1, 2],
        "votes": {"for": 2, "against": 0},
        "origin": ["kept", "votes"],
    }


@pytest.mark.parametrize(
    ("rules", "rows", "expected"),
    [
        ({}, [thumb(1, "ann", "one", "good"), thumb(2, "bob", "two", "bad")], [("one", True, [1]), ("two", False, [2])]),
        ({}, [thumb(1, "ann", "one", "good"), thumb(2, "bob", "one ", "good")], [("one", True, [1, 2])]),
        ({}, [thumb(1, "ann", "one", "good"), thumb(2, "ann", "one", "bad")], [("one", False, [2])]),
        ({}, [thumb(1, "ann", "one", "good"), thumb(2, "bob", "one", "bad")], []),
        ({"conflicts": "trusted", "trusted": "bob"}, [thumb(1, "ann", "one", "good"), thumb(2, "bob", "one", "bad")], [("one", False, [2])]),
        ({"min_length": 4}, [thumb(1, "ann", "one", "good")], []),
        ({"sources": ["votes"]}, [thumb(1, "ann", "one", "good"), vote(2, "ann", "a")], [("one", True, [1])]),
    ],
)  # fmt: skip
def test_the_single_replies_are_exactly_these(rules, rows, expected):
    built = build_unpaired(PairRules(**rules), rows)
    found = [(made["completion"][0]["content"], made["label"], made["source"]["feedback"]) for made in built.rows]
    assert found == expected
    assert built.candidates == len(built.rows) + sum(built.taken.values())
    for made in built.rows:
        assert Unpaired.model_validate(made).model_dump() == made


LONG = "A whale is a very large animal of the sea that breathes air and feeds its young with milk"
OTHER = "Whales are fish, so nobody should care about them, and now please stop asking me such questions"


def test_near_duplicates_become_one_with_the_votes_of_both():
    rows = [
        vote(1, "ann", "a", LONG, OTHER),
        vote(2, "bob", "b", OTHER + "!", LONG + "."),
        vote(3, "cat", "a", OTHER + " ", LONG + "!"),
    ]
    built = build(PairRules(near_duplicates=0.9), rows)
    assert pairs(built) == [(LONG, OTHER, [1, 2], "2:1")]
    assert taken(built) == {"nearly the same as another": 2}
    assert len(build(PairRules(), rows).rows) == 3


def test_a_small_correction_and_the_correction_of_it_stay_two_pairs():
    rows = [fixed(1, "ann", LONG, LONG + "."), fixed(2, "ann", LONG + ".", LONG + "!")]
    assert len(build(PairRules(near_duplicates=0.8), rows).rows) == 2


def test_long_replies_do_not_make_different_questions_alike():
    asked = [{"role": "user", "content": "A shark?"}]
    rows = [vote(1, "ann", "a", LONG * 5, OTHER * 5), vote(2, "ann", "a", LONG * 5, OTHER * 5, prompt=asked)]
    assert len(build(PairRules(near_duplicates=0.6), rows).rows) == 2


def test_near_duplicate_thumbs_become_one():
    rows = [thumb(1, "ann", LONG, "good"), thumb(2, "bob", LONG + "!", "good")]
    (made,) = build_unpaired(PairRules(near_duplicates=0.9), rows).rows
    assert made["source"]["feedback"] == [1, 2]


def test_deleted_and_withdrawn_feedback_is_in_no_build_and_readmitted_feedback_is():
    first = store.rate("ann", PROMPT, Reply("one", "m"), correction="right")
    store.rate("bob", PROMPT, Reply("two", "m"), correction="better", verdict="bad")
    store.rate("bob", PROMPT, Reply("right", "m"), verdict="good")
    assert len(build(PairRules(), store.find()).rows) == 3
    store.delete(first.id)
    assert {made["rejected"][0]["content"] for made in build(PairRules(), store.find()).rows} == {"two"}
    assert withdraw("bob", by="cat") == 2
    for make in (build, build_unpaired):
        with pytest.raises(BadInput):
            make(PairRules(), store.find())
    assert readmit("bob") == 2
    assert len(build(PairRules(), store.find()).rows) == 2


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"min_annotators": 2}, "of 2 people, and 1 gave theirs"),
        ({"min_agreement": 0.5}, "of 2 people, and 1 gave theirs"),
        ({"conflicts": "trusted", "trusted": "zoe"}, "“zoe” has judged nothing"),
    ],
)
def test_rules_that_need_other_people_say_so(rules, sentence):
    rows = [vote(1, "ann", "a"), thumb(2, "ann", "one", "good")]
    for make in (build, build_unpaired):
        with pytest.raises(BadInput, match=sentence):
            make(PairRules(**rules), rows)


def test_to_trust_somebody_is_to_name_them():
    with pytest.raises(BadInput, match="Say who is trusted"):
        PairRules(conflicts="trusted")


def test_thumbs_alone_are_needed_for_single_replies():
    with pytest.raises(BadInput, match="rate some replies"):
        build_unpaired(PairRules(), [vote(1, "ann", "a")])


texts = st.sampled_from(["one", "two", "three", "one ", " two"])
prompts = st.sampled_from(["What is a whale?", " what is a WHALE?", "Why?", "why? ", "A shark?", "STRASSE", "straße"])


@st.composite
def judgements(draw):
    kind = draw(st.sampled_from(["rating", "comparison", "kept"]))
    winners = {"rating": [None], "comparison": ["a", "b", "tie", "both_bad", None], "kept": ["a"]}
    return row(
        draw(st.integers(1, 99)),
        draw(st.sampled_from(["ann", "bob", "cat"])),
        kind,
        draw(texts),
        None if kind == "rating" else draw(texts),
        prompt=[{"role": "user", "content": draw(prompts)}],
        verdict=draw(st.sampled_from(["good", "bad", None])),
        correction=draw(texts | st.none()),
        winner=draw(st.sampled_from(winners[kind])),
    )


@st.composite
def rules(draw):
    return PairRules(
        conflicts=draw(st.sampled_from(["majority", "drop", "weight"])),
        near_duplicates=draw(st.sampled_from([None, 0.5, 0.9])),
    )


@settings(deadline=None)  # the first example makes the database
@given(st.lists(judgements(), max_size=12, unique_by=lambda row: row.id), rules(), st.randoms(), st.integers(0, 9))
def test_no_pair_is_equal_no_prompt_is_on_both_sides_and_the_order_does_not_matter(rows, rules, random, seed):
    try:
        built = build(rules, rows)
    except BadInput:
        return
    for made in built.rows:
        assert made["chosen"][0]["content"].strip() != made["rejected"][0]["content"].strip()
    assert built.candidates == len(built.rows) + sum(built.taken.values())
    train, held_out = split_pairs(built.rows, 0.5, seed)
    asked, never = ({made["prompt"][0]["content"].strip().casefold() for made in part} for part in (train, held_out))
    assert not asked & never
    assert len(train) + len(held_out) == len(built.rows)
    random.shuffle(rows)
    assert build(rules, rows) == built
