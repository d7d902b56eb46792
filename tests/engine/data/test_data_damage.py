"""A broken row is reported by its number and costs nothing but itself, whatever the file is packed or encoded in."""

import gzip
import io
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.readers import (
    Layout,
    Reading,
    arrays,
    detect,
    streams,
)
from engine.settings import ROOT
from tests.engine.data.reading_files import CHINESE, DAMAGED, ROWS, as_file, read, reasons, records, texts

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
