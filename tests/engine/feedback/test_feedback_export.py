"""Judgements as training data, and the way there and back through a file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.records import Conversation, Preference, Unpaired
from engine.errors import BadInput
from engine.feedback import export, store
from engine.feedback.schema import Feedback, Reply

PROMPT = [{"role": "user", "content": "What is a whale?"}]
OTHER = [{"role": "user", "content": "What is a shark?"}]


def row(number: int, kind: str = "rating", **values) -> Feedback:
    """A judgement of reply “one” (and “two”)."""
    sides = {"reply": "one", "model": "m"}
    if kind != "rating":
        sides |= {"reply_b": "two", "left_side": "a"}
    return Feedback(**{"id": number, "annotator": "ann", "kind": kind, "prompt": PROMPT, **sides, **values})


GOOD, BAD, FIXED = row(1, verdict="good"), row(2, verdict="bad"), row(3, verdict="bad", correction="right")
A, B = row(4, "comparison", winner="a"), row(5, "comparison", winner="b")
TIE, BOTH_BAD = row(6, "comparison", winner="tie"), row(7, "comparison", winner="both_bad")
OPEN, KEPT = row(8, "comparison"), row(9, "kept", winner="a")


@pytest.mark.parametrize(
    ("rows", "replies"),
    [
        ([], []),
        ([GOOD], [("one", [1])]),
        ([BAD], []),
        ([row(1, rating=5)], []),
        ([row(1)], []),
        ([FIXED], [("right", [3])]),
        ([row(1, verdict="good", correction="better")], [("better", [1])]),
        ([row(1, correction="better")], [("better", [1])]),
        ([A], [("one", [4])]),
        ([B], [("two", [5])]),
        ([TIE, OPEN], []),
        ([BOTH_BAD], []),
        ([KEPT], [("one", [9])]),
        ([GOOD, A, KEPT], [("one", [1, 4, 9])]),
        ([GOOD, BAD], []),
        ([GOOD, FIXED], [("right", [3])]),
        ([B, BOTH_BAD], []),
        ([row(1, verdict="bad", correction="one")], []),
        ([GOOD, row(2, verdict="bad", prompt=OTHER)], [("one", [1])]),
        ([row(1, verdict="good", prompt=[*PROMPT, *OTHER])], []),  # two questions in a row break the record's rule
    ],
)
def test_sft(rows, replies):
    made = export.to_sft(rows)
    assert [(item["messages"][-1]["content"], item["source"]["feedback"]) for item in made] == replies
    for item in made:
        assert Conversation.model_validate(item).model_dump() == item
        assert item["messages"][:-1] == PROMPT


@pytest.mark.parametrize(
    ("rows", "pairs"),
    [
        ([GOOD, BAD, TIE, BOTH_BAD, OPEN], []),
        ([FIXED], [("right", "one", [3])]),
        ([row(1, verdict="bad", correction="one")], []),
        ([A], [("one", "two", [4])]),
        ([B], [("two", "one", [5])]),
        ([KEPT], [("one", "two", [9])]),
        ([A, KEPT], [("one", "two", [4, 9])]),
        ([row(1, "kept", winner="a", reply_b="one")], []),
        ([row(1, "comparison", winner="both_bad", correction="right")], [("right", "one", [1]), ("right", "two", [1])]),
    ],
)
def test_preference(rows, pairs):
    made = export.to_preference(rows)
    found = [(p["chosen"][0]["content"], p["rejected"][0]["content"], p["source"]["feedback"]) for p in made]
    assert found == pairs
    for item in made:
        assert Preference.model_validate(item).model_dump() == item


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ([GOOD], [("one", True, [1])]),
        ([BAD, FIXED], [("one", False, [2, 3])]),
        ([GOOD, BAD], [("one", True, [1]), ("one", False, [2])]),
        ([row(1, rating=5), A, KEPT], []),
    ],
)
def test_unpaired(rows, labels):
    made = export.to_unpaired(rows)
    assert [(u["completion"][0]["content"], u["label"], u["source"]["feedback"]) for u in made] == labels
    for item in made:
        assert Unpaired.model_validate(item).model_dump() == item


texts = st.sampled_from(["one", "two", "three", "one "])


@st.composite
def judgements(draw):
    kind = draw(st.sampled_from(["rating", "comparison", "kept"]))
    winners = {"rating": [None], "comparison": ["a", "b", "tie", "both_bad", None], "kept": ["a"]}
    return row(
        draw(st.integers(1, 9)),
        kind,
        reply=draw(texts),
        verdict=draw(st.sampled_from(["good", "bad", None])),
        correction=draw(texts | st.none() | st.just(" ")),
        winner=draw(st.sampled_from(winners[kind])),
        **({} if kind == "rating" else {"reply_b": draw(texts)}),
    )


@settings(deadline=None)  # the first example makes the database
@given(st.lists(judgements(), max_size=8))
def test_no_pair_is_equal_and_nothing_judged_bad_is_imitated(rows):
    assert all(pair["chosen"] != pair["rejected"] for pair in export.to_preference(rows))
    bad = {row.reply for row in rows if row.verdict == "bad" or row.winner == "both_bad"}
    bad |= {row.reply_b for row in rows if row.winner == "both_bad"}
    assert not bad & {item["messages"][-1]["content"] for item in export.to_sft(rows)}


@pytest.fixture
def saved(tmp_path):
    """A file of three judgements that are also in the database."""
    whale = Reply("A mammal.\u2028鲸", "m", "sea", "f00d", {"seed": 1})
    store.rate("ann", PROMPT, whale, conversation_id=1, message_id=2, verdict="good", rating=5, tags=["x"])
    store.rate("bob", PROMPT, whale, comment="Hm.")
    store.add("comparison", "ann", PROMPT, whale, Reply("A fish.", "m"), winner="tie", left_side="b")
    path = tmp_path / "saved.jsonl"
    export.export_rows(path, export.to_jsonl(store.find()))
    return path


def forget_all() -> list[Feedback]:
    """Empty the table and return what it held."""
    rows = store.find()
    for each in rows:
        store.delete(each.id)
    return rows


def without_id(rows: list[Feedback]) -> list[dict]:
    return sorted((each.model_dump(exclude={"id"}) for each in rows), key=lambda values: values["created"])


def test_there_and_back(saved):
    before = forget_all()
    assert export.import_jsonl(saved) == export.Imported(rows=3, known=0, broken={})
    assert without_id(store.find()) == without_id(before)


def test_the_same_file_twice_changes_nothing(saved):
    before = store.find()
    store.update(1, comment="Said since.")
    assert export.import_jsonl(saved) == export.Imported(rows=3, known=3, broken={})
    assert store.get(1).comment == "Said since."
    assert len(store.find()) == len(before)


def test_a_message_number_that_means_another_message_here_is_dropped(saved):
    forget_all()
    mine = store.rate("ann", OTHER, Reply("A fish.", "m"), message_id=2, verdict="bad")
    assert export.import_jsonl(saved).known == 0
    assert store.get(mine.id) == mine
    (theirs,) = store.find(store.FeedbackFilter(annotator="ann", verdict="good"))
    assert (theirs.rating, theirs.message_id) == (5, None)


def test_broken_lines_are_reported_by_number(tmp_path):
    good = {"prompt": PROMPT, "reply": "A mammal.", "verdict": "good"}
    lines = [
        b"\xef\xbb\xbf" + json.dumps(good).encode(),
        b"{cut",
        b"",
        json.dumps({**good, "rating": 9}).encode(),
        b'"\xff"',
        b"[1]",
        b"[" * 100_000,
        json.dumps({**good, "verdcit": "bad"}).encode(),
        json.dumps({**good, "comment": "\ud83d"}).encode(),
        json.dumps({**good, "conversation_id": 2**70}).encode(),
        json.dumps({**good, "annotator": "bob"}).encode(),
    ]
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\r\n".join(lines))
    done = export.import_jsonl(path, annotator="ann")
    assert done.rows == 2
    assert list(done.broken) == [2, 4, 5, 6, 7, 8, 9, 10]
    assert "1 to 5" in done.broken[4] and "verdcit" in done.broken[8]
    assert {each.annotator for each in store.find()} == {"ann", "bob"}


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(BadInput, match="no file"):
        export.import_jsonl(tmp_path / "none.jsonl")
    for path in (tmp_path, tmp_path / "none" / "out.jsonl"):
        with pytest.raises(BadInput, match="no place"):
            export.export_rows(path, [])
