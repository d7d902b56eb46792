"""Rows through the cleaning steps: what is left out, what is changed, and a report whose numbers add up."""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.cleaning import Cleaning, Report, cleaned, digest, text
from engine.data.cleaning.options import (
    DUPLICATE,
    EMPTY,
    MASKED,
    NEAR_DUPLICATE,
    NORMALISED,
    OTHER_LANGUAGE,
    TOO_SHORT,
)
from engine.data.records import Conversation, Message, Preference, Record, Unpaired
from engine.errors import BadInput
from engine.settings import ROOT

LONG = "The lighthouse keeper walked up the stairs every evening to light the lamp, whatever the weather was like."


def talk(*texts: str, system: str | None = None) -> Conversation:
    messages = [Message(role=("user", "assistant")[i % 2], content=words) for i, words in enumerate(texts)]
    return Conversation(messages=[Message(role="system", content=system), *messages] if system else messages)


def preference(prompt: str, chosen: str, rejected: str) -> Preference:
    reply = [[{"role": "assistant", "content": words}] for words in (chosen, rejected)]
    prompts = [{"role": "user", "content": prompt}]
    return Preference.model_validate({"prompt": prompts, "chosen": reply[0], "rejected": reply[1]})


def unpaired(prompt: str, reply: str, label: bool) -> Unpaired:
    turns = [{"role": "user", "content": prompt}], [{"role": "assistant", "content": reply}]
    return Unpaired.model_validate({"prompt": turns[0], "completion": turns[1], "label": label})


def clean(records: Sequence[Record], **options) -> tuple[list[tuple[int, Record]], Report]:
    report = Report()
    steps = cleaned(enumerate(records), Cleaning(**options), report, lambda row: text(records[row]))
    return list(steps), report


def test_without_options_rows_pass_as_the_same_objects():
    records = [talk("a", "b"), talk("a", "b"), preference("a", "b", "c")]
    kept, report = clean(records)
    assert all(record is records[row] for row, record in kept) and len(kept) == 3
    assert report == Report(rows_in=3, rows_kept=3)


def test_normalising_changes_the_rows_that_need_it():
    records = [talk("a", "b"), talk("caf\u0065\u0301\r\n", "b")]
    kept, report = clean(records, normalise=True)
    assert kept[0][1] is records[0]
    assert text(kept[1][1]) == "café\nb"
    assert report.changed == {NORMALISED: 1}
    (example,) = report.examples[NORMALISED]
    assert (example.row, example.before, example.after) == (1, "cafe\u0301\r\n\nb", "café\nb")


def test_rows_without_text_are_dropped():
    rows = [talk("", "b"), talk("a", "b", "c", " \n"), talk("a", "b", "c"), talk("a", "b", system=" ")]
    kept, report = clean(rows, drop_empty=True)
    assert [row for row, _ in kept] == [2, 3]
    assert report.dropped == {EMPTY: 2}
    unseen = [talk("a", "\u200b")]
    assert clean(unseen, drop_empty=True)[1].rows_kept == 1
    assert clean(unseen, drop_empty=True, normalise=True)[1].dropped == {EMPTY: 1}


def test_a_change_that_breaks_a_row_drops_it():
    rows = [talk("a", "\u200b"), preference("a", "call 13812345678", "call 13987654321"), talk("a", "b")]
    kept, report = clean(rows, normalise=True, mask=["phone"])
    assert [row for row, _ in kept] == [2]
    assert set(report.dropped) == {
        "there is no reply to learn from: no assistant turn has any text",
        "the chosen and the rejected reply are the same",
    }


def test_the_last_reply_must_be_long_enough():
    rows = [
        talk("a", "long enough", "b", "no"),
        talk("a", "no", "b", "long enough"),
        preference("a", "long enough", "no"),
    ]
    kept, report = clean(rows, min_chars=11)
    assert [row for row, _ in kept] == [1, 2]
    assert report.dropped == {TOO_SHORT: 1}


def test_rows_in_other_languages_are_dropped():
    rows = [
        talk("请介绍一下北京", "北京是中国的首都，历史悠久。"),
        talk("請介紹一下台北", "台北是一個美麗的城市，夜市很有名。"),
        talk("Tell me about Beijing", "It is the capital of China and has a long history."),
        talk("2+2?", "4"),
    ]
    kept, report = clean(rows, languages=["zh"])
    assert [row for row, _ in kept] == [0, 1, 3]
    assert report.dropped == {OTHER_LANGUAGE: 1}
    assert report.examples[OTHER_LANGUAGE][0].row == 2


def test_personal_data_is_masked_in_every_turn():
    row = talk("My mail is a@b.com", "Noted.", "and 13812345678", "Thanks.", system="Ask boss@firm.com")
    kept, report = clean([row], mask=["email", "phone"])
    contents = [turn.content for turn in kept[0][1].messages]  # pyright: ignore[reportAttributeAccessIssue]
    assert contents == ["Ask <EMAIL>", "My mail is <EMAIL>", "Noted.", "and <PHONE>", "Thanks."]
    assert row.messages[0].content == "Ask boss@firm.com"
    assert report.changed == {MASKED: 1}


def test_an_example_shows_the_place_that_changed():
    _, report = clean([talk("a" * 5000, "Write to a@b.com")], mask=["email"])
    (example,) = report.examples[MASKED]
    assert "a@b.com" in example.before and "<EMAIL>" in (example.after or "")
    assert len(example.before) <= 300


def test_the_first_of_equal_rows_stays():
    rows = [talk("a", "b"), talk("a", "c"), talk("a", "b"), talk("a", "b", system="c"), talk("a", "b")]
    kept, report = clean(rows, dedup="exact")
    assert [row for row, _ in kept] == [0, 1, 3]
    assert report.dropped == {DUPLICATE: 2}
    assert [(example.row, example.other_row, example.other) for example in report.examples[DUPLICATE]] == [
        (2, 0, "a\nb"),
        (4, 0, "a\nb"),
    ]


def test_near_duplicates_leave_and_equal_ones_count_apart():
    rows = [talk("Story?", LONG), talk("Story!", LONG), talk("Story?", LONG), talk("Poem?", LONG[::-1])]
    kept, report = clean(rows, dedup="near")
    assert [row for row, _ in kept] == [0, 3]
    assert report.dropped == {NEAR_DUPLICATE: 1, DUPLICATE: 1}
    assert report.examples[NEAR_DUPLICATE][0].other_row == 0
    assert clean(rows, dedup="near", similarity=1)[1].dropped == {DUPLICATE: 1}


def test_near_duplicates_are_told_from_the_cleaned_text():
    """`text_of` reads the rows as they were before cleaning."""
    rows = [talk("a", f"{name}13812345678, {name}13987654321") for name in ("mail ", "mail  ")]
    assert clean(rows, dedup="near", mask=["phone"], similarity=1)[1].dropped == {NEAR_DUPLICATE: 1}


def test_a_shared_system_message_does_not_make_near_duplicates():
    rules = " ".join(map(str, range(500)))
    rows = [talk("Sea?", "Blue and wide.", system=rules), talk("Sun?", "Far and hot.", system=rules)]
    assert clean(rows, dedup="near")[1].rows_kept == 2


def test_at_most_three_examples_are_kept():
    _, report = clean([talk("a", "b")] * 9, dedup="exact")
    assert report.dropped == {DUPLICATE: 8} and len(report.examples[DUPLICATE]) == 3


def test_unknown_languages_are_refused():
    with pytest.raises(BadInput, match="no language “cn”"):
        Cleaning(languages=["zh", "cn"])


def test_digests_are_equal_only_for_equal_turns():
    records = [
        talk("a", "b"),
        talk("a", "b", system="s"),
        talk("a", 'b"],["user","c'),
        talk("a", "b", "c"),
        preference("a", "b", "c"),
        preference("a", "c", "b"),
        unpaired("a", "b", True),
        unpaired("a", "b", False),
    ]
    assert len({digest(record) for record in records}) == len(records)
    sourced = Conversation.model_validate({**talk("a", "b").model_dump(), "source": {"feedback": [3]}})
    assert digest(sourced) == digest(talk("a", "b")) and len(digest(sourced)) == 16


WORDS = st.text(st.sampled_from("ab好 \n\r\u200b1@.😀"), max_size=8)
ROWS = st.lists(st.tuples(WORDS, WORDS.filter(str.strip)).map(lambda turns: talk(*turns)), max_size=12)
OPTIONS = st.builds(
    Cleaning,
    normalise=st.booleans(),
    mask=st.sampled_from([[], ["email", "ip"]]),
    drop_empty=st.booleans(),
    min_chars=st.integers(0, 3),
    dedup=st.sampled_from(["none", "exact", "near"]),
)


@given(ROWS, OPTIONS)
def test_the_numbers_add_up(records: list[Record], options: Cleaning):
    report = Report()
    kept = list(cleaned(enumerate(records), options, report, lambda row: text(records[row])))
    assert report.rows_in == len(records) == report.rows_kept + sum(report.dropped.values())
    assert report.rows_kept == len(kept)
    assert [row for row, _ in kept] == sorted({row for row, _ in kept})
    assert all(type(record).model_validate(record.model_dump()) == record for _, record in kept)
    assert all(len(shown) <= 3 for shown in report.examples.values())
    assert Report.model_validate_json(report.model_dump_json()) == report


SCRIPT = """
from benchmarks.near_duplicates import rows
from engine.data.cleaning import Cleaning, Report, cleaned, text
from engine.data.records import Conversation

turns = [[{"role": "user", "content": "说吧"}, {"role": "assistant", "content": row.text}] for row in rows(400)]
records = [Conversation.model_validate({"messages": messages}) for messages in turns]
report = Report()
options = Cleaning(normalise=True, mask=["phone", "ip"], languages=["zh"], dedup="near")
print([row for row, _ in cleaned(enumerate(records), options, report, lambda row: text(records[row]))])
print(report.model_dump_json())
"""


def test_two_processes_give_the_same():
    """Salted hashes would not."""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert f'"{NEAR_DUPLICATE}":' in outputs[0]
