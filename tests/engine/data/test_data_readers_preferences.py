"""Preference data as others have it: transcripts, Argilla's exports, verdicts and scores; what says nothing is refused."""

import csv
import time
from typing import Any

import pytest

from engine.data.readers import FORMATS, detect, to_record


def said(format: str, row: dict[str, Any]) -> tuple[list[str], str, str]:
    record: Any = to_record(row, format)
    assert record.kind == "preference"
    return [turn.content for turn in record.prompt], record.chosen[0].content, record.rejected[0].content


def reason(format: str, row: dict[str, Any]) -> str:
    from engine.data.records import plain_reason

    with pytest.raises(ValueError) as caught:
        to_record(row, format)
    return plain_reason(caught.value)


# transcripts

SHARED = "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: how are you?\n\nAssistant:"


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": f"{SHARED} Fine.\n\nAnd you?", "rejected": f"{SHARED} Go away."},
        {"prompt": SHARED, "chosen": " Fine.\n\nAnd you?", "rejected": " Go away."},
        {"prompt": SHARED, "chosen": f"{SHARED} Fine.\n\nAnd you?", "rejected": f"{SHARED} Go away."},
    ],
)
def test_transcripts_are_taken_apart_where_they_part(row):
    assert FORMATS["hh"].fits(row)
    assert said("hh", row) == (["hi", "hello", "how are you?"], "Fine.\n\nAnd you?", "Go away.")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("Hello there", "must go from “Human:” to “Assistant:”"),
        ("\n\nHuman: hi", "must go from “Human:” to “Assistant:”"),
        ("Note\n\nHuman: hi\n\nAssistant: x", "must go from “Human:” to “Assistant:”"),
        (7, "must go from “Human:” to “Assistant:”"),
        ("\n\nHuman: hi\n\nHuman: there\n\nAssistant: x", "may differ in the last reply alone"),
        ("\n\nHuman: other\n\nAssistant: x", "may differ in the last reply alone"),
        ("\n\nHuman: hi\n\nAssistant:", "the reply is empty"),
    ],
)
def test_a_broken_transcript_has_one_plain_reason(chosen, words):
    assert words in reason("hh", {"chosen": chosen, "rejected": "\n\nHuman: hi\n\nAssistant: no"})


def test_a_reply_that_only_speaks_of_humans_is_no_transcript(write):
    row = {"prompt": "hi", "chosen": "Human: is a word.", "rejected": "Human: \n\nAssistant: are words."}
    assert detect(write("rows.jsonl", row)).format == "preference"


# Argilla

FIELDS = {"prompt": "Add", "context": "1 2", "response-1": "three", "response-2": "4", "response-3": "five"}
TWO_ONE_THREE = ["response-2", "response-1", "response-3"]


def ranks(*names: str) -> list[dict[str, Any]]:
    return [{"rank": place, "value": name} for place, name in enumerate(names, 1)]


def person(value: Any, status: str = "submitted", question: str = "preference") -> dict[str, Any]:
    return {"user_id": "u", "status": status, "values": {question: {"value": value}}}


@pytest.mark.parametrize(
    "row",
    [
        {"fields": FIELDS, "responses": [person(ranks(*TWO_ONE_THREE))], "suggestions": [], "external_id": None},
        {**FIELDS, "preference": [{"user_id": "u", "value": {"rank": [1, 2, 3], "value": TWO_ONE_THREE}, "status": "submitted"}],
         "preference-suggestion": {"rank": [1], "value": ["response-1"]}, "metadata": "{}"},
        {"id": "1", "fields": FIELDS, "responses": {"preference": [{"value": TWO_ONE_THREE, "user_id": "u"}]}, "vectors": {}},
        {**FIELDS, "preference.responses": [TWO_ONE_THREE], "preference.responses.users": ["u"],
         "preference.responses.status": ["submitted"], "note.responses": None},
    ],
)  # fmt: skip
def test_each_export_of_argilla_says_the_same(row, write):
    assert detect(write("rows.jsonl", row)).format == "argilla"
    assert said("argilla", row) == (["Add\n\n1 2"], "4", "five")


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({"choice": "response-2"}, "4"),
        ({"choice": "Response 1"}, "three"),
        ({"rating_1": 2, "rating_2": 5, "rating_3": 1}, "4"),
        ({"response-1-quality": 4, "response-2-quality": 1}, "three"),
        ({"choice": "response-3", "rating_1": 5, "rating_2": 1, "why": "Because of 1."}, "five"),
        ({"order": ranks("reply-3", "reply-1", "reply-2"), "choice": "response-1"}, "five"),
    ],
)
def test_rankings_count_before_choices_and_choices_before_ratings(values, best):
    one = {"status": "submitted", "values": {name: {"value": value} for name, value in values.items()}}
    assert said("argilla", {"fields": FIELDS, "responses": [one]})[1] == best


def test_several_people_are_averaged_and_drafts_do_not_count():
    fields = {"instruction": "x", "response_1": "a", "response_2": "b"}
    votes = [person("response_1"), person("response_1"), person("response_2")]
    ignored = [person("response_2", "draft"), person("response_2", "discarded")] * 3
    assert said("argilla", {"fields": fields, "responses": votes + ignored})[1] == "a"
    assert reason("argilla", {"fields": fields, "responses": votes[1:]}) == "neither reply is preferred"
    assert reason("argilla", {"fields": fields, "responses": ignored}) == "nobody has compared these replies"


def test_chosen_and_rejected_stand_unless_people_chose_otherwise():
    fields = {"prompt": [{"role": "user", "content": "x"}], "chosen": "a", "rejected": "b"}
    assert said("argilla", {"fields": fields, "responses": {}}) == (["x"], "a", "b")
    votes = {"preference": [{"value": "rejected", "user_id": "u"}]}
    assert said("argilla", {"fields": fields, "responses": votes}) == (["x"], "b", "a")


@pytest.mark.parametrize(
    "responses",
    [7, "x", [7], [{}], [{"values": 7}], [{"values": {"q": 7}}], {"q": 7}, {"q": [7, {"value": None}]}, {"q": None},
     {"q": [{"value": {"rank": 1, "value": 2}}]}, {"q": [{"value": [{"rank": float("nan"), "value": "response-1"}]}]},
     {"q": [{"value": [{"rank": "1e999", "value": ["response-1"]}]}]},
     {"rating_1": [{"value": 1e308}] * 2, "rating_2": [{"value": 1e308}] * 2}, {"rating_99": [{"value": 3}]}],
)  # fmt: skip
def test_whatever_stands_where_answers_should_is_nobodys_answer(responses):
    assert reason("argilla", {"fields": FIELDS, "responses": responses}) == "nobody has compared these replies"


def test_a_record_with_very_many_answers_takes_no_longer_than_its_size():
    votes = [person(f"response-{1 + (n % 3 > 0)}") for n in range(100_000)]
    begun = time.process_time()
    assert said("argilla", {"fields": FIELDS, "responses": votes})[1] == "4"
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("fields", [7, {}, {"prompt": "x", "response1": "a"}, {"prompt": "x", "text": "a", "score": 3}])
def test_a_record_without_two_replies_says_so(fields):
    assert "two replies to compare" in reason("argilla", {"fields": fields, "responses": {}})


def test_argilla_in_a_table_has_its_lists_in_cells(tmp_path):
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prompt", "response1", "response2", "preference.responses"])
        table.writerow(["x", "[a", "[1, 2]", '["response2"]'])
    from engine.data.readers import Reading

    layout = detect(tmp_path / "rows.csv")
    ((_, record),) = Reading(tmp_path / "rows.csv", layout)
    assert layout.format == "argilla" and not isinstance(record, str)
    assert record.model_dump()["chosen"][0]["content"] == "[1, 2]"


# verdicts


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "x", "response_a": "no", "response_b": "yes", "winner": "B"},
        {"prompt": "x", "response_a": "no", "response_b": "yes", "winner": "model_b"},
        {"prompt": "x", "response_a": "no", "response_b": "yes", "preference": "response_b"},
        {"question": "x", "answer_a": "no", "answer_b": "yes", "score_a": 1.5, "score_b": "2"},
        {"instruction": "x", "response1": "no", "response2": "yes", "preference": 2.0, "score": 3},
        {"prompt": "x", "response_0": "no", "response_1": "yes", "label": 1},
        {"prompt": "x", "response_a": "no", "response_b": "yes", "winner": None, "rating_a": 1, "rating_b": 4},
    ],
)
def test_the_winner_is_chosen(row, write):
    assert detect(write("rows.jsonl", row)).format == "pairwise"
    assert said("pairwise", row) == (["x"], "yes", "no")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"winner": "tie"}, "neither reply is preferred"),
        ({"winner": "tie (bothbad)"}, "neither reply is preferred"),
        ({"winner": ""}, "neither reply is preferred"),
        ({"winner": None}, "neither reply is preferred"),
        ({"score_a": 3, "score_b": 3.0}, "neither reply is preferred"),
        ({"score_a": 3, "score_b": "high"}, "neither reply is preferred"),
        ({"winner": 1}, "must name one of the two replies"),
        ({"winner": "c"}, "must name one of the two replies"),
        ({"winner": ["a"]}, "must name one of the two replies"),
        ({"winner": 10**5000}, "must name one of the two replies"),
        ({"winner": True}, "must name one of the two replies"),
        ({"winner": "a", "response_b": None}, "there must be two replies"),
        ({"winner": "a", "response_b": 7}, "must be text or lists of messages"),
    ],
)
def test_a_verdict_that_prefers_neither_is_refused(verdict, words):
    assert words in reason("pairwise", {"prompt": "x", "response_a": "yes", "response_b": "no", **verdict})


# scores


@pytest.mark.parametrize(
    ("judged", "good"),
    [({"label": word}, True) for word in ("good", "Good ", "👍", "👍\ufe0f", 1, 1.0, "1", "true", True, "好")]
    + [({"label": word}, False) for word in ("bad", "👎", 0, "0", -1, "false", False, "差")]
    + [({"rating": rating}, True) for rating in (4, 5, "4.5")]
    + [({"rating": rating}, False) for rating in (1, 2, "2")]
    + [({"score": 8, "scale": 10}, True), ({"score": "3", "scale": "10"}, False), ({"score": "good"}, True)],
)
def test_judgements_become_labels(judged, good, write):
    row = {"prompt": "x", "response": "y", **judged}
    assert detect(write("rows.jsonl", row)).format == "scored"
    record: Any = to_record(row, "scored")
    assert (record.completion[0].content, record.label) == ("y", good)


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        ({"rating": 3}, "it says neither good nor bad"),
        ({"score": 5, "scale": 10}, "it says neither good nor bad"),
        ({"rating": 0}, "from 1 to its scale"),
        ({"rating": 6}, "from 1 to its scale"),
        ({"rating": "high"}, "from 1 to its scale"),
        ({"rating": True}, "from 1 to its scale"),
        ({"rating": float("inf")}, "from 1 to its scale"),
        ({"rating": 1, "scale": 1}, "from 1 to its scale"),
        ({"score": 1}, "what a score means is not said"),
        ({"score": 0.9}, "what a score means is not said"),
        ({"label": "maybe"}, "“label” must be true or false"),
        ({"label": 4}, "“label” must be true or false"),
        ({"label": []}, "“label” must be true or false"),
        ({"label": 10**5000}, "“label” must be true or false"),
    ],
)
def test_a_judgement_that_says_neither_is_refused_rather_than_guessed(judged, words):
    assert words in reason("scored", {"prompt": "x", "response": "y", **judged})


def test_a_score_is_taken_for_what_the_person_says_it_is(write):
    path = write("rows.jsonl", {"prompt": "x", "response": "y", "score": 1})
    from engine.data.readers import Reading

    for field, good in (("label", True), ("rating", False)):
        ((_, record),) = Reading(path, detect(path, columns={field: "score"}))
        assert not isinstance(record, str) and record.model_dump()["label"] is good


def test_words_count_as_labels_in_the_plain_format_too():
    record: Any = to_record({"prompt": "x", "completion": "y", "label": "👎"}, "unpaired")
    assert record.label is False


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("prompt-completion", {"prompt": "x", "completion": "y", "score": 3}),
        ("unpaired", {"prompt": "x", "completion": "y", "label": "good", "rating": 3}),
        ("alpaca", {"instruction": "x", "input": "", "output": "y", "output_1": "z", "rating": 4, "label": 1}),
        ("belle", {"input": "x", "target": "y", "response": "z", "label": 1}),
        ("preference", {"prompt": "x", "chosen": "y", "rejected": "z", "response_a": "y", "score_a": 1, "score_b": 2}),
        ("messages", {"messages": [], "prompt": "x", "response": "y", "rating": 3}),
    ],
)
def test_rows_of_the_formats_that_were_there_first_stay_theirs(format, row, write):
    assert detect(write("rows.jsonl", row)).format == format
