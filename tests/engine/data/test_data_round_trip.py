"""What `write_file` writes, `detect` and `Reading` turn back into the very same records, whatever is in them."""

import gzip
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.readers import WRITTEN, Reading, detect, to_row
from engine.data.records import Conversation, Preference, Record, Unpaired
from engine.data.writers import write_file
from engine.errors import BadInput

ENDINGS = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".json.zst", ".csv.zst", ".tsv.gz"]

NASTY = [
    "", " ", "中文，标点。", "😀👩‍👩‍👧", 'say "hi"', "it's", "a,b\tc;d", "\n", "\r\n", "\r", "two\n\nparts", " edges ", "\ufeff",
    "\0", "\x01\x1f\x7f\x85", "\u2028\u2029", "007", "-1e5", "NaN", "null", "true", "=1+1", "\\", "\\n", "[1, 2]", "{}", "[{",
    '[{"role": "user", "content": "x"}]', '{"messages": []}', "{'a': 1}", '"', '""', "'''",
]  # fmt: skip
text = st.sampled_from(NASTY) | st.text(max_size=20) | st.lists(st.sampled_from(NASTY), max_size=3).map("".join)
reply = text.filter(str.strip)
sources = st.just({}) | st.dictionaries(
    text, st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
                       lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2), max_leaves=4),
    max_size=2,
)  # fmt: skip


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def answers(texts: Sequence[str]) -> list[dict[str, str]]:
    return [said("assistant", text) for text in texts]


@st.composite
def turns(draw, pairs: Any, system: Any, last: Any) -> list[dict[str, str]]:
    """Perhaps a system message, questions and answers, and perhaps one more question, which has some text."""
    messages = [said("system", draw(text.filter(bool)))] if draw(system) else []
    for _ in range(draw(pairs)):
        messages += [said("user", draw(text)), said("assistant", draw(reply))]
    return [*messages, said("user", draw(reply))] if draw(last) else messages


some, none = st.booleans(), st.just(False)
prompts = turns(st.integers(0, 2), some, st.just(True))
any_conversation = turns(st.integers(1, 3), some, some)
answered = turns(st.integers(1, 3), some, none)
STRATEGIES: dict[str, st.SearchStrategy[Record]] = {
    "alpaca": st.builds(Conversation, messages=answered, source=sources),
    "belle": st.builds(Conversation, messages=turns(st.just(1), none, none), source=sources),
    "sharegpt": st.builds(Conversation, messages=any_conversation, source=sources),
    "messages": st.builds(Conversation, messages=any_conversation, source=sources),
    "prompt-completion": st.builds(Conversation, messages=answered, source=sources),
    "preference": st.builds(
        lambda prompt, replies, source: Preference.model_validate(
            {"prompt": prompt, "chosen": [replies[0]], "rejected": [replies[1]], "source": source}
        ),
        prompts, st.lists(reply, min_size=2, max_size=2, unique=True).map(answers), sources,
    ),
    "unpaired": st.builds(
        Unpaired, prompt=prompts, completion=st.tuples(reply).map(answers), label=some, source=sources
    ),
}  # fmt: skip


@pytest.mark.parametrize("format", WRITTEN)
def test_records_come_back_equal_from_every_container(format):
    @settings(max_examples=40, deadline=None, database=None)
    @given(st.lists(STRATEGIES[format], min_size=1, max_size=3))
    def round_trip(records: list[Record]) -> None:
        with TemporaryDirectory() as folder:
            for ending in ENDINGS:
                path = Path(folder) / f"rows{ending}"
                assert write_file(records, path, format) == len(records)
                layout = detect(path)
                assert layout.format == format
                assert [record for _, record in Reading(path, layout)] == records

    round_trip()


def conversation(*texts: str, **source: Any) -> Conversation:
    messages = [said(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    return Conversation.model_validate({"messages": messages, "source": source})


def test_tables_are_as_other_tools_have_them(tmp_path):
    rows = [conversation('a "b"\nc', "中文"), conversation("[1]", "x", feedback=[3])]
    write_file(rows, tmp_path / "rows.csv", "prompt-completion")
    assert (tmp_path / "rows.csv").read_bytes().decode() == (
        'prompt,completion,source\r\n"a ""b""\nc",中文,\r\n'
        '"[{""role"":""user"",""content"":""[1]""}]",x,"{""feedback"":[3]}"\r\n'
    )
    write_file(rows, tmp_path / "rows.parquet", "messages")
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist()[0] == {
        "messages": [said("user", 'a "b"\nc'), said("assistant", "中文")],
        "source": None,
    }
    write_file(rows, tmp_path / "rows.json", "belle")
    assert json.loads((tmp_path / "rows.json").read_bytes())[0] == {"input": 'a "b"\nc', "target": "中文"}


def test_many_rows_stream_and_report(tmp_path):
    seen: list[int] = []
    many = (conversation(str(i), "x") for i in range(2500))
    assert write_file(many, tmp_path / "rows.parquet", "alpaca", seen.append) == 2500
    assert seen == [1000, 2000, 2500]
    lines = list(Reading(tmp_path / "rows.parquet", detect(tmp_path / "rows.parquet")))
    assert [number for number, _ in lines] == list(range(1, 2501))
    endless = (conversation(str(i), "x") for i in itertools.count())
    with pytest.raises(InterruptedError):  # what the progress raises
        write_file(endless, tmp_path / "stopped.jsonl", "belle", lambda rows: _stop())
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def _stop() -> None:
    raise InterruptedError


@pytest.mark.parametrize(
    ("format", "row", "reason"),
    [
        ("belle", conversation("a", "b", "c", "d"), "more than one question and its answer"),
        ("belle", Conversation.model_validate({"messages": [said("system", "s"), said("user", "a"), said("assistant", "b")]}),
         "more than one question and its answer"),
        ("alpaca", conversation("a", "b", "c"), "does not end with a reply"),
        ("alpaca", Conversation.model_validate({"messages": [said("system", ""), said("user", "a"), said("assistant", "b")]}),
         "the system message is empty"),
        ("prompt-completion", conversation("a", "b", "c"), "does not end with a reply"),
        ("messages", Unpaired.model_validate({"prompt": [said("user", "a")], "completion": [said("assistant", "b")], "label": True}),
         "of another kind"),
    ],
)  # fmt: skip
def test_a_row_that_a_format_cannot_say_is_named_and_nothing_is_left(format, row, reason, tmp_path):
    for ending in ENDINGS:
        with pytest.raises(BadInput, match=rf"Row 3 cannot .* {reason}. Choose {row.kind},"):
            write_file([conversation("a", "b"), conversation("a", "b"), row], tmp_path / f"rows{ending}", format)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=reason):
        to_row(row, format)


def test_files_that_exist_and_names_that_say_nothing_are_refused(tmp_path):
    (tmp_path / "rows.jsonl").write_text("mine")
    with pytest.raises(BadInput, match="already a file"):
        write_file([conversation("a", "b")], tmp_path / "rows.jsonl", "belle")
    for name in ("rows", "rows.txt", "rows.gz", "rows.parquet.gz", "rows.xlsx"):
        with pytest.raises(BadInput, match="ending that says no container"):
            write_file([conversation("a", "b")], tmp_path / name, "belle")
    with pytest.raises(BadInput, match="There is no folder"):
        write_file([conversation("a", "b")], tmp_path / "none" / "rows.csv", "belle")
    for format in ("csv", "hh", "argilla", "pairwise", "scored"):  # the last four are only read
        with pytest.raises(BadInput, match="is not a format"):
            write_file([conversation("a", "b")], tmp_path / "rows.csv", format)
    assert (tmp_path / "rows.jsonl").read_text() == "mine"


def test_a_packed_file_depends_on_its_records_alone(tmp_path):
    write_file([conversation("a", "b")], tmp_path / "rows.jsonl.gz", "belle")
    packed = (tmp_path / "rows.jsonl.gz").read_bytes()
    assert gzip.decompress(packed) == b'{"input":"a","target":"b"}\n'
    assert packed[3:8] == bytes(5)  # neither a name nor a time
