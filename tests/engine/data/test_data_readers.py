"""Files are told apart by their content; a broken row is reported by its number and costs nothing but itself."""

import csv
import gzip
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.readers import (
    CONTAINERS,
    FORMATS,
    Layout,
    Reading,
    arrays,
    column_names,
    detect,
    detect_container,
    hub,
    sample,
    streams,
    to_record,
)
from engine.errors import BadInput, Failure
from engine.settings import ROOT

USER, REPLY = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
ROWS: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "hi", "input": "", "output": "hello"},
    "belle": {"input": "hi", "target": "hello"},
    "sharegpt": {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
    "messages": {"messages": [USER, REPLY]},
    "prompt-completion": {"prompt": "hi", "completion": "hello"},
    "preference": {"prompt": "hi", "chosen": "hello", "rejected": "go away"},
    "unpaired": {"prompt": "hi", "completion": "hello", "label": True},
    "hh": {"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"},
    "argilla": {
        "fields": {"prompt": "hi", "response1": "hello", "response2": "go away"},
        "responses": {"preference": [{"value": ["response1", "response2"], "user_id": "u"}]},
    },
    "pairwise": {"prompt": "hi", "response_a": "go away", "response_b": "hello", "winner": "b"},
    "scored": {"prompt": "hi", "response": "hello", "rating": 5},
}
CHINESE = {"instruction": "为什么天是蓝的？", "input": "", "output": "因为瑞利散射：短波光散射得更多。"}
DAMAGED = "the file is damaged from here on"


def read(path: Path, format: str = "auto", **columns: str) -> list[Any]:
    return list(Reading(path, detect(path, format, columns)))


def records(path: Path, format: str = "auto", **columns: str) -> list[Any]:
    return [record for _, record in read(path, format, **columns)]


def reasons(lines: list[Any]) -> dict[int, str]:
    return {number: record for number, record in lines if isinstance(record, str)}


def texts(record: Any) -> list[str]:
    return [message.content for message in record.messages]


def as_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows in the container that the name says, made by other means than our writers."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writerow(rows[0])
            cells = [[v if isinstance(v, str) else json.dumps(v) for v in row.values()] for row in rows]
            table.writerows(cells)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=2), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, pa.schema({"messages": pa.string()})), file)
    return file.getvalue()


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
        (_parquet([]), "is empty"),
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


# broken rows


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":' * 100_000, "not valid JSON"),
        (b'{"messages": [{"role": "user", "content": "\\ud83d"}]}', "not valid JSON"),
        (b"\xff\xfe", "does not decode"),
        ('{"messages": "é"}'.encode("latin-1"), "does not decode"),
        (b"null", "not a JSON object"),
        (b"{}", "list of objects"),
        (b"{'a': " + b"-" * 2**18, "may have 256 KiB"),
        (b"{'a': " + b"-" * 200_000 + b"1}", "neither valid JSON nor a Python literal"),
        (b"{'a': " + b"1+" * 100_000 + b"1}", "neither valid JSON nor a Python literal"),
        (b"{'a': " + b"[" * 200_000, "neither valid JSON nor a Python literal"),
        (b"{'a': __import__('os').getpid()}", "neither valid JSON nor a Python literal"),
        (b"{'a': '\\ud83d'}", "neither valid JSON nor a Python literal"),
        (b"{'a': {[]: 1}}", "neither valid JSON nor a Python literal"),
        (b"{'a': " + b"9" * 5000 + b"}", "neither valid JSON nor a Python literal"),
        (b"{'a': '\0'}", "neither valid JSON nor a Python literal"),
    ],
)
def test_a_broken_line_costs_itself_alone(line, reason, tmp_path):
    path = tmp_path / "rows.jsonl"
    good = json.dumps(ROWS["messages"]).encode() + b"\r\n"
    path.write_bytes(good + b"\n" + line + b"\n" + b"\xef\xbb\xbf" + good)
    first, broken, last = read(path)
    assert (first[0], broken[0], last[0]) == (1, 3, 4)
    assert isinstance(broken[1], str) and reason in broken[1]
    assert first[1] == last[1]


def test_python_literals_may_stand_between_json_lines(write):
    said = {"instruction": 'It\'s "so"\n', "input": "", "output": "是的 😀"}
    path = write("rows.jsonl", said, repr(said), said, repr({**said, "history": [("a", "b")]}))
    assert [texts(record)[-2:] for record in records(path)] == [['It\'s "so"\n', "是的 😀"]] * 4


def test_broken_elements_of_an_array_cost_themselves_alone(tmp_path):
    good = json.dumps(ROWS["belle"]).encode()
    path = tmp_path / "rows.json"
    elements = [good, b'{"input": "a", "target": nil}', b'{"input": "\xff", "target": "x"}', b"[1]", good, b"7", good]
    path.write_bytes(b"[" + b", ".join(elements) + b"]")
    lines = read(path)
    assert [number for number, record in lines if not isinstance(record, str)] == [1, 5, 7]
    assert [reason.split()[-1] for reason in reasons(lines).values()] == ["JSON", "text", "object", "array"]


def test_broken_rows_of_a_table_cost_themselves_alone(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'input,target\r\na,"b\r\nc"\r\na\r\na,b,c\r\n"a"x,b\r\n\r\n\xff,b\r\n\0,d\r\ne,"f\r\n')
    lines = read(path)
    assert [texts(record) for _, record in lines if not isinstance(record, str)] == [["a", "b\r\nc"], ["\0", "d"]]
    assert {number: reason.split()[2] for number, reason in reasons(lines).items()} == {
        2: "has", 3: "has", 4: "breaks", 6: "does", 8: "breaks",
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet"])
def test_a_row_may_have_16_mib_and_no_more(ending, tmp_path):
    much = "x" * (streams.LIMIT - 100)
    rows = [ROWS["belle"], {"input": much, "target": "y"}, {"input": much + much, "target": "y"}, ROWS["belle"]]
    path = as_file(tmp_path / f"rows.{ending}", rows)
    lines = read(path)
    assert reasons(lines) == {3: "the row is longer than 16 MiB"}
    assert len(lines) == 4


def test_a_table_row_may_not_go_on_without_end_in_many_cells(tmp_path):
    path = tmp_path / "rows.csv"
    endless = ('"' + "x" * 2**20 + '\n",') * 17
    path.write_text(f"input,target\na,b\n{endless}y\n")
    assert read(path)[1] == (2, "the row is longer than 16 MiB")


def test_a_row_that_unpacks_to_a_flood_is_not_held_in_memory(tmp_path):
    flood = gzip.compress(b"x" * 2**20) * 200
    for name, before, after in (
        ("a.jsonl", b'{"input": "', b'"}\n{"input": "a", "target": "b"}\n'),
        ("a.json", b'[{"input": "', b'"}, {"input": "a", "target": "b"}]'),
        ("a.csv", b"input,target\n", b',x\n"a","b"\n'),
    ):
        (tmp_path / name).write_bytes(gzip.compress(before) + flood + gzip.compress(after))
    program = (
        "import resource, sys; from pathlib import Path; from engine.data.readers import Layout, Reading\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (150 * 2**20, 150 * 2**20))\n"
        "for name in ('jsonl', 'json', 'csv'):\n"
        "    lines = list(Reading(Path(sys.argv[1]) / f'a.{name}', Layout(name, 'belle', compression='gzip')))\n"
        "    assert 'longer than 16 MiB' in lines[0][1] and not isinstance(lines[1][1], str), lines\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# packing and encoding


@pytest.mark.parametrize("container", ["jsonl", "json", "csv", "tsv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_packing_and_encoding_are_told_by_the_content(container, encoding, compression, tmp_path):
    path = as_file(tmp_path / f"rows.{container}", [CHINESE] * 200)
    content = path.read_bytes().decode().encode(encoding)
    parts = content[:1001], content[1001:]  # two members or frames, one after the other
    if compression == "gzip":
        content = b"".join(gzip.compress(part) for part in parts)
    elif compression == "zstd":
        content = b"".join(pa.compress(part, "zstd", asbytes=True) for part in parts)
    path.write_bytes(content)
    layout = detect(path)
    assert (layout.container, layout.format) == (container, "alpaca")
    assert (layout.encoding, layout.compression) == (encoding.removesuffix("-sig"), compression)
    reading = Reading(path, layout)
    assert [texts(record) for _, record in reading] == [[CHINESE["instruction"], CHINESE["output"]]] * 200
    assert reading.position == path.stat().st_size


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_lines_of_another_encoding_are_broken_and_do_not_decide(encoding, tmp_path):
    line = json.dumps(CHINESE, ensure_ascii=False)
    ascii_first = (json.dumps(ROWS["belle"]) + "\n") * 3000
    odd = line.encode("utf-8" if encoding == "gb18030" else "gb18030").replace(b"\xe5", b"\xff")
    path = tmp_path / "rows.jsonl"
    path.write_bytes(ascii_first.encode() + odd + b"\n" + (line + "\n").encode(encoding) * 2 + b'{"a": "\xff"}\n')
    assert detect(path).encoding == encoding
    lines = Reading(path, Layout("jsonl", "belle", encoding))
    found = {number: record for number, record in lines if number > 3000}
    assert {number for number, record in found.items() if isinstance(record, str)} >= {3004}
    assert texts(found[3002]) == texts(found[3003]) == [CHINESE["instruction"], CHINESE["output"]]


@pytest.mark.parametrize("container", ["jsonl", "json", "csv"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_stands_before_damage_is_kept(container, compression, tmp_path):
    rows = [{"input": f"{i} {hash(str(i)):x}", "target": "x"} for i in range(20_000)]
    path = as_file(tmp_path / f"rows.{container}", rows)
    whole = path.read_bytes()
    packed = gzip.compress(whole) if compression == "gzip" else pa.compress(whole, "zstd", asbytes=True)
    path.write_bytes(packed[: len(packed) // 2])
    *good, last = read(path)
    assert last == (len(good) + 1, DAMAGED)
    assert 0 < len(good) < 20_000 and not reasons(good)
    assert [record.messages[0].content for _, record in good] == [row["input"] for row in rows[: len(good)]]


def test_an_array_without_its_end_keeps_its_rows(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROWS["belle"]] * 3)[:-9])
    lines = read(path)
    assert (len(lines), reasons(lines)) == (3, {3: DAMAGED})


def test_damage_within_a_parquet_file_keeps_the_rows_before_it(tmp_path):
    rows = [{"input": str(i), "target": "x" * 50} for i in range(1000)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=200, compression="zstd")
    third = pq.ParquetFile(path).metadata.row_group(2).column(0)
    content = bytearray(path.read_bytes())
    at = third.dictionary_page_offset or third.data_page_offset
    content[at : at + third.total_compressed_size] = b"\xff" * third.total_compressed_size
    path.write_bytes(content)
    *good, last = read(path)
    assert len(good) == 400 and last == (401, DAMAGED)


# going on


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "cut.jsonl"])
def test_a_reading_goes_on_where_another_ended(name, tmp_path):
    rows = [{"input": str(i), "target": "x" if i % 3 else ""} for i in range(25)]
    path = as_file(tmp_path / name, rows)
    if name == "a.jsonl":
        path.write_text(path.read_text().replace("\n", "\n\n"))
    if name == "cut.jsonl":
        path.write_bytes(gzip.compress(path.read_bytes())[:-4])
    layout = detect(path)
    whole = list(Reading(path, layout))
    assert len(whole) >= 25 and reasons(whole)
    for stop in (1, 7, len(whole) - 1, len(whole)):
        first = Reading(path, layout)
        begun = [line for _, line in zip(range(stop), first, strict=False)]
        assert begun == whole[:stop]
        assert list(Reading(path, layout, skip=first.items)) == whole[stop:]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    elements=st.lists(
        st.dictionaries(st.text(max_size=5), st.recursive(st.text(), st.lists, max_leaves=5), max_size=3)
    ),
    size=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    ascii=st.booleans(),
)
def test_elements_are_found_however_the_file_falls_into_pieces(elements, size, indent, ascii, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", size)
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii)
    found = [json.loads(element) for element in arrays.split(io.BufferedReader(io.BytesIO(text.encode()), size))]
    assert found == elements


@given(
    size=st.integers(1, 40), long=st.integers(101, 300), what=st.sampled_from(["x", '\\"', '", "', "{}, [], ", "\\\\"])
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_element_that_is_too_long_is_passed_over_whatever_is_in_it(size, long, what, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK", size)
    monkeypatch.setattr(arrays, "LIMIT", 100)
    inner = '{"a": [' + what * long + "]}" if "{" in what else '{"a": ["' + what * long + '"]}'
    content = f'[{{"a": 1}}, {inner}, {{"a": "x"}}]'.encode()
    found = list(arrays.split(io.BufferedReader(io.BytesIO(content), size)))
    assert found == [b'{"a": 1}', "the row is longer than 16 MiB", b'{"a": "x"}']


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
