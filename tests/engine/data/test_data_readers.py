"""Files are told apart by their content, and what their rows mean."""

import gzip
import json
import time

import pyarrow as pa
import pytest

from engine.data.readers import (
    CONTAINERS,
    FORMATS,
    Layout,
    Reading,
    column_names,
    detect,
    detect_container,
    hub,
    sample,
    to_record,
)
from engine.errors import BadInput, Failure
from tests.engine.data.reading_files import (
    REPLY,
    ROWS,
    USER,
    as_file,
    parquet_bytes,
    read,
    reasons,
    records,
    texts,
)

# what is what


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("format", ROWS)
def test_every_format_is_told_in_every_container_whatever_the_name(format, container, tmp_path):
    path = as_file(tmp_path / f"rows.{container}", [{"id": "7", **ROWS[format]}] * 3)
    path = path.rename(tmp_path / "anything.dat")
    layout = detect(path)
    assert (layout.container, layout.format) == (container, format)
    reading = Reading(path, layout)
    assert list(reading) == [(number, to_record(ROWS[format], format)) for number in (1, 2, 3)]
    assert (reading.items, reading.position) == (3, path.stat().st_size)


def test_a_broken_line_and_a_row_of_another_format_do_not_mislead(write):
    path = write("rows.jsonl", "not json", ROWS["preference"], ROWS["unpaired"], ROWS["unpaired"])
    assert detect(path).format == "unpaired"
    assert [number for number, _ in read(path)] == [1, 2, 3, 4]


def test_one_row_of_the_first_shape_makes_it_belle(write):
    path = write("rows.jsonl", *[ROWS["alpaca"]] * 9, ROWS["belle"])
    assert detect(path).format == "belle"
    assert {tuple(texts(record)) for record in records(path)} == {("hi", "hello")}


def test_the_name_settles_only_what_the_content_leaves_open(tmp_path):
    for name in ("a.csv", "a.tsv"):
        path = tmp_path / name
        path.write_text('messages\n"' + json.dumps([USER, REPLY]).replace('"', '""') + '"\n')
        assert detect(path).container == name[2:]
        assert texts(records(path)[0]) == ["hi", "hello"]


def test_a_line_that_could_be_of_another_container_does_not_mislead(tmp_path):
    path = tmp_path / "rows"
    path.write_text('input,target\n"x\n{}\n",y\n')
    assert texts(records(path)[0]) == ["x\n{}\n", "y"]
    path.write_text('{"data": [\n' + json.dumps(ROWS["belle"]) + "\n]}")
    assert read(path) == [(1, to_record(ROWS["belle"], "belle"))]


def test_an_array_may_be_wrapped_in_an_object(tmp_path):
    path = tmp_path / "rows.json"
    for indent in (None, 1):
        path.write_text(json.dumps({"version": "1", "data": [ROWS["alpaca"]] * 3}, indent=indent))
        assert (detect(path).container, len(records(path))) == ("json", 3)
    path.write_text(json.dumps({"train": [ROWS["alpaca"]], "test": [ROWS["alpaca"]]}))
    assert reasons(read(path)) == {2: "there is more in the file after its array, which is not read"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (parquet_bytes([]), "is empty"),
        (b"plain text\nand more of it\n", "no format that can be recognised"),
        (b"[1, 2]", "no format that can be recognised"),
        (b'{"question": "a", "answer": "b"}\n', "has the columns question, answer"),
        (b"question,answer\r\na,b\r\n", "--columns instruction=COLUMN output=COLUMN"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, "neither text nor Parquet"),
        (gzip.compress(b"x" * 9999)[:12], "is damaged"),
        (b"\x28\xb5\x2f\xfd" + b"junk", "is damaged"),
        (b"PAR1" + b"junk" * 9, "is damaged"),
    ],
)
def test_what_cannot_be_read_says_why(content, words, tmp_path):
    path = tmp_path / "odd.dat"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"odd\.dat") as caught:
        detect(path)
    assert words in str(caught.value)


def test_a_wish_is_kept_or_refused(write, tmp_path):
    path = write("rows.jsonl", ROWS["belle"])
    assert detect(path, "jsonl").format == "belle"
    mixed = write("mixed.jsonl", ROWS["unpaired"], ROWS["unpaired"], ROWS["alpaca"])
    assert detect(mixed, "belle").format == "belle"
    for wish, words in [("messages", "has the columns input, target"), ("json", "no format"), ("parquet", "is no parquet"),
                        ("xml", "is not a format")]:  # fmt: skip
        with pytest.raises(BadInput, match=words):
            detect(path, wish)
    with pytest.raises(BadInput, match="is no csv file"):
        detect(as_file(tmp_path / "rows.parquet", [ROWS["belle"]]), "csv")


def test_columns_are_mapped(tmp_path):
    rows = [{"id": "7", "input": "hi", "output": "unused", "who": "Be brief", "reply": "hello"}]
    for container in CONTAINERS:
        path = as_file(tmp_path / f"rows.{container}", rows)
        layout = detect(path, columns={"prompt": "input", "completion": "reply", "system": "who"})
        assert (layout.container, layout.format) == (container, "prompt-completion")
        assert texts(records(path, prompt="input", completion="reply", system="who")[0]) == ["Be brief", "hi", "hello"]
    taken = as_file(tmp_path / "taken.csv", [ROWS["belle"]])
    assert texts(records(taken, instruction="input", output="target")[0]) == ["hi", "hello"]
    with pytest.raises(BadInput, match="no column “answer”: it has id, input, output, who, reply"):
        detect(path, columns={"prompt": "input", "completion": "answer"})
    (tmp_path / "notes.txt").write_text("plain text\n")
    with pytest.raises(BadInput, match="no format that can be recognised"):
        detect(tmp_path / "notes.txt", columns={"prompt": "input"})
    with pytest.raises(BadInput, match="“question” is no field"):
        detect(path, columns={"question": "input"})


def test_columns_and_first_rows_can_be_seen_before_a_format_is_known(write, tmp_path):
    path = write("rows.jsonl", {"q": "a"}, "", "oops", {"q": "b", "a": "c"})
    layout = detect_container(path)
    assert column_names(path, layout) == ["q", "a"]
    assert sample(path, layout) == [(1, {"q": "a"}), (3, "the line is not valid JSON"), (4, {"q": "b", "a": "c"})]
    table = as_file(tmp_path / "rows.tsv", [{"q": str(i), "a": "x"} for i in range(9)])
    assert sample(table, detect_container(table), 2) == [(1, {"q": "0", "a": "x"}), (2, {"q": "1", "a": "x"})]


# what rows mean


@pytest.mark.parametrize(
    ("format", "row", "said"),
    [
        ("alpaca", {"instruction": "Add", "input": "1 2", "output": "3"}, ["Add\n\n1 2", "3"]),
        ("alpaca", {"instruction": " ", "input": "1 2", "output": "3"}, ["1 2", "3"]),
        ("alpaca", {"instruction": "Add", "input": None, "output": "3"}, ["Add", "3"]),
        ("alpaca", {"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]}, ["s", "a", "b", "c", "d"]),
        ("alpaca", {"instruction": "c", "output": "d", "system": "", "history": []}, ["c", "d"]),
        ("belle", {"instruction": "Add", "input": "1 2", "target": "3"}, ["Add\n\n1 2", "3"]),
        ("sharegpt", {"system": "s", "conversations": [{"from": "user", "value": "a"}, {"from": "bard", "value": "b"}]},
         ["s", "a", "b"]),
        ("sharegpt", {"conversations": [{"from": "system", "value": "s"}, USER, REPLY]}, ["s", "hi", "hello"]),
        ("messages", {"system": "s", "messages": [USER, REPLY]}, ["s", "hi", "hello"]),
        ("prompt-completion", {"prompt": [USER, REPLY, USER], "completion": "x"}, ["hi", "hello", "hi", "x"]),
        ("prompt-completion", {"prompt": "[1, 2]", "completion": [REPLY]}, ["[1, 2]", "hello"]),
    ],
)  # fmt: skip
def test_what_a_row_means(format, row, said):
    assert texts(to_record(row, format)) == said


@pytest.mark.parametrize("prompt", [{}, {"prompt": None}, {"prompt": "hi"}, {"prompt": [USER]}])
def test_compared_conversations_may_be_whole(prompt):
    no = {"role": "assistant", "content": "no"}
    record = to_record({**prompt, "chosen": [USER, REPLY], "rejected": [USER, no]}, "preference")
    assert record == to_record({"prompt": "hi", "chosen": "hello", "rejected": "no"}, "preference")
    other = {"role": "user", "content": "other"}
    for row in ({"chosen": [USER, REPLY], "rejected": [other, no]}, {"prompt": "x", "chosen": [USER, REPLY], "rejected": [USER, no]}):  # fmt: skip
        with pytest.raises(ValueError, match="may differ in the last reply alone"):
            to_record(row, "preference")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": 1, "output": "x"}, "instruction and input must be text"),
        ({"instruction": "a", "input": True, "output": "x"}, "instruction and input must be text"),
        ({"instruction": "a", "output": 3.5}, "the output must be text"),
        ({"instruction": "a"}, "the output must be text"),
        ({"output": "a"}, "instruction and input must be text"),
        ({"input": "a", "target": 1}, "the target must be text"),
        ({"instruction": "a", "output": "b", "system": 1}, "the system message must be text"),
        ({"instruction": "a", "output": "b", "history": ["x"]}, "the history must be a list of pairs"),
        ({"instruction": "a", "output": "b", "history": 1}, "the history must be a list of pairs"),
        ({"instruction": "a", "output": "b", "history": [["x", 1]]}, "content must be text"),
        ({"instruction": "a", "output": " "}, "no reply to learn from"),
        ({"conversations": "x"}, "list of objects with “from” and “value”"),
        ({"conversations": [{"from": "tool", "value": "x"}]}, "role must be"),
        ({"conversations": [{"from": ["gpt"], "value": "x"}]}, "role must be"),
        ({"conversations": [{"from": "human"}]}, "content must be text"),
        ({"messages": {"role": "user"}}, "list of objects with “role” and “content”"),
        ({"prompt": 1, "completion": "x"}, "must be text or lists of messages"),
        ({"prompt": "a", "completion": "x", "label": "maybe"}, "“label” must be true or false"),
        ({"prompt": "a", "chosen": "x", "rejected": "x"}, "are the same"),
    ],
)
def test_a_row_that_means_nothing_has_a_plain_reason(row, reason, write):
    path = write("rows.jsonl", row)
    format = next((name for name in FORMATS if FORMATS[name].fits(row)), "belle")
    ((number, found),) = Reading(path, Layout("jsonl", format))
    assert number == 1 and isinstance(found, str) and reason in found


def test_cells_are_text_and_lists_in_cells_are_json(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion,label,source\n1.50,true,1,web\n[1],NaN,False,\n")
    first, second = records(path)
    assert (first.prompt[0].content, first.completion[0].content, first.label) == ("1.50", "true", True)
    assert (second.prompt[0].content, second.completion[0].content, second.label) == ("[1]", "NaN", False)
    path.write_text("messages\n\"[{'role': 'user', 'content': 'it'}, {'role': 'assistant', 'content': 'is'}]\"\nx\n")
    printed, broken = records(path)
    assert texts(printed) == ["it", "is"]
    assert broken == "a cell that must hold a list holds no JSON list"


def test_source_is_kept_if_it_is_one(write, tmp_path):
    path = write("rows.jsonl", {**ROWS["messages"], "source": {"feedback": [3]}}, {**ROWS["messages"], "source": "web"})
    assert [record.source for record in records(path)] == [{"feedback": [3]}, {}]
    day = pa.scalar(0, pa.date32()).as_py()
    path = as_file(tmp_path / "rows.parquet", [{**ROWS["messages"], "source": {"day": day}}])
    assert records(path)[0].source == {"day": "1970-01-01"}


# the hub


def test_a_hub_out_of_reach_is_said_at_once(tmp_path):
    begun = time.monotonic()
    with pytest.raises(Failure, match="The hub cannot be reached"):
        hub.download("hub:someone/something", tmp_path / "fetched")
    assert time.monotonic() - begun < 15
    for address in ("hub:alone", "hub:../up", "hub:a/b:c:d", "hub:/etc/passwd"):
        with pytest.raises(BadInput, match="is no address on the hub"):
            hub.download(address, tmp_path)


def test_a_split_becomes_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(
        hub, "_find", lambda name: None
    )  # the network's edge: the library takes a folder of the same name
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "set").mkdir(parents=True)
    as_file(tmp_path / "some" / "set" / "test-00000-of-00001.parquet", [ROWS["messages"]] * 3)
    path = hub.download("hub:some/set:test", tmp_path / "fetched")
    assert [texts(record) for record in records(path)] == [["hi", "hello"]] * 3
    with pytest.raises(BadInput, match="no split “train”: it has test"):
        hub.download("hub:some/set", tmp_path)
    (tmp_path / "some" / "notes").mkdir()
    (tmp_path / "some" / "notes" / "a.txt").write_text("x")
    with pytest.raises(BadInput, match="does not hold its rows as Parquet, JSON or CSV"):
        hub.download("hub:some/notes", tmp_path)
