"""Files in and out: every kind, with all that a cell may hold; prompts; what is refused before anything runs."""

import csv
import gzip
import json
import os

import pytest

from engine.batch import tables
from engine.batch.prompts import check, preview
from engine.batch.results import Result
from engine.batch.source import count, read_source
from engine.batch.spec import BatchSpec
from engine.batch.template import Template
from engine.batch.writing import write_failed, write_results
from engine.errors import BadInput
from tests.engine.batch.conftest import answered

ROWS = [
    {"id": "1", "text": "北京的“天气”如何？"},
    {"id": "2", "text": 'She said "no",\nand left.\t!'},
    {"id": "3", "text": "=1+1"},
    {"id": "4", "text": "  spaces, and 𠮷 🐍  "},
]
REPLIES = ["晴，\n25 度", 'He said "yes"', "=2", "a\tb, c"]


def _write(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        assert book.active is not None
        book.active.append(list(rows[0]))
        for row in rows:
            book.active.append(list(row.values()))
            book.active.cell(book.active.max_row, 2).data_type = "s"  # = is text here
        book.save(path)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
    return path


def _read(path):
    """With other people's readers."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".xlsx":
        from openpyxl import load_workbook

        header, *rows = load_workbook(path).worksheets[0].iter_rows(values_only=True)
        return [dict(zip(header, row, strict=True)) for row in rows]
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("given", ["csv", "tsv", "jsonl", "json", "xlsx", "parquet"])
def test_every_file_comes_back_in_every_kind(tmp_path, tiny, make_run, given):
    source = _write(tmp_path / f"in.{given}", ROWS)
    assert tables.first_rows(source, 9) == ROWS
    run = make_run(source, prompt_template="{text}")
    # out of order, as they come
    answered(run, [Result(row, {"reply": REPLIES[row - 1]}) for row in (3, 1, 4, 2)])
    for ending in ("csv", "tsv", "jsonl", "xlsx", "parquet"):
        out = tmp_path / f"out.{ending}"
        assert write_results(run, out) == 4
        assert not out.read_bytes().startswith(b"\xef\xbb\xbf")
        assert _read(out) == [{**row, "reply": reply} for row, reply in zip(ROWS, REPLIES, strict=True)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_other_encodings_and_packed_files(tmp_path, encoding):
    text = "编号,问题\r\n1,北京在哪里？请用一句话回答。\r\n2,“上海”呢？\r\n"
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode(encoding))
    assert [row["问题"] for row in tables.read_rows(path) if isinstance(row, dict)][1] == "“上海”呢？"
    assert tables.columns(path) == ["编号", "问题"]
    packed = tmp_path / "in.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(tables.read_rows(packed)) == list(tables.read_rows(path))


def test_numbers_dates_and_lists_keep_their_kind_where_the_file_has_it(tmp_path, tiny, make_run):
    import datetime

    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"n": 7, "day": datetime.date(2026, 1, 2), "list": ["甲", "b"], "text": "x"}]
    source = tmp_path / "in.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), source)
    run = answered(make_run(source, prompt_template="{n} {day} {list}"), [Result(1, {"reply": "y"})])
    assert preview(source, BatchSpec(file=source, prompt_template="{n} {day} {list}"))[0].messages == [
        {"role": "user", "content": '7 2026-01-02 ["甲","b"]'}
    ]
    write_results(run, tmp_path / "out.parquet")
    assert _read(tmp_path / "out.parquet") == [{**rows[0], "reply": "y"}]
    write_results(run, tmp_path / "out.jsonl")
    assert _read(tmp_path / "out.jsonl") == [
        {"n": 7, "day": "2026-01-02", "list": ["甲", "b"], "text": "x", "reply": "y"}
    ]
    write_results(run, tmp_path / "out.csv")
    assert _read(tmp_path / "out.csv")[0]["list"] == '["甲","b"]'


def test_a_column_that_is_called_reply_already(tmp_path, tiny, make_run, write_csv):
    source = write_csv("in.csv", [{"text": "a", "reply": "old", "reply_input": "older"}])
    run = answered(make_run(source, prompt_template="{text}"), [Result(1, {"reply": "new"})])
    write_results(run, tmp_path / "out.csv")
    assert _read(tmp_path / "out.csv") == [
        {"text": "a", "reply_input_input": "old", "reply_input": "older", "reply": "new"}
    ]


def test_rows_that_cannot_be_read_keep_their_place(tmp_path, tiny, make_run):
    source = tmp_path / "in.csv"
    source.write_text("id,text\n1,a\n2\n\n3,c\n", encoding="utf-8")
    run = make_run(source, prompt_template="{text}")
    rows = list(tables.read_rows(source))
    assert rows[1] == "the row has another number of cells than the header" and len(rows) == 3
    answered(
        run, [Result(1, {"reply": "A"}), Result(2, reason=str(rows[1])), Result(3, {"reply": "C"}, marks=["length"])]
    )
    write_results(run, tmp_path / "out.csv")
    assert [(row["id"], row["reply"]) for row in _read(tmp_path / "out.csv")] == [("1", "A"), ("", ""), ("3", "C")]
    assert write_failed(run, tmp_path / "failed.jsonl") == 2
    first, second = _read(tmp_path / "failed.jsonl")
    assert first == {"row": 2, "failed": True, "reason": rows[1], "marks": []}
    assert (second["row"], second["failed"], second["marks"]) == (3, False, ["length"])


def test_a_file_that_was_touched_or_copied_back_is_the_same(tmp_path, tiny, make_run, write_csv):
    source = write_csv("in.csv", [{"text": "a"}])
    run = answered(make_run(source, prompt_template="{text}"), [Result(1, {"reply": "A"})])
    content = source.read_bytes()
    source.unlink()
    source.write_bytes(content)
    os.utime(source, (1, 1))
    assert write_results(run, tmp_path / "out.csv") == 1
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o666 & ~_umask(), "others may read it as any file"
    source.write_bytes(content[::-1])  # as long as before
    with pytest.raises(BadInput, match="has changed since the run began"):
        write_results(run, tmp_path / "again.csv")


def test_a_file_that_changes_while_it_is_counted_is_another_one_then(tiny, make_run, write_csv):
    source = write_csv("in.csv", [{"text": "a"}])
    run = make_run(source, prompt_template="{text}")
    other = source.read_bytes().replace(b"a", b"b")  # as long as before
    count(run, lambda: source.write_bytes(other) and os.utime(source, (1, 1)))
    with pytest.raises(BadInput, match="has changed since the run began"):
        read_source(run)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_second_column_of_the_same_name_hides_none(tmp_path):
    (tmp_path / "in.csv").write_text("q,q,,\na,b,,\n")
    assert tables.columns(tmp_path / "in.csv") == ["q", "q (2)", ""]
    assert list(tables.read_rows(tmp_path / "in.csv")) == [{"q": "a", "q (2)": "b", "": ""}]


@pytest.mark.parametrize("content", ["id;question\n1;hi\n", "id,question\n1,What, is red?\n"])
def test_a_table_that_is_read_as_one_column_is_explained(tmp_path, tiny, make_run, content):
    (tmp_path / "in.csv").write_text(content)
    with pytest.raises(BadInput, match="was read as one column"):
        make_run(tmp_path / "in.csv", prompt_template="{question}")


def test_an_empty_prompt_and_a_comparison_with_itself_are_refused(tiny, make_run, write_csv):
    source = write_csv("in.csv", [{"text": "a"}])
    with pytest.raises(BadInput, match="The prompt is empty"):
        make_run(source, prompt_template=" \n")
    with pytest.raises(BadInput, match="the same model"):
        make_run(source, prompt_template="{text}", adapter_b="base")


def test_a_file_that_changed_is_refused(tmp_path, tiny, make_run, write_csv):
    source = write_csv("in.csv", [{"text": "a"}])
    run = answered(make_run(source, prompt_template="{text}"), [Result(1, {"reply": "A"})])
    source.write_text("text\nb\nc\n")
    with pytest.raises(BadInput, match="has changed since the run began"):
        write_results(run, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_long_text_fits_no_cell_of_excel(tmp_path, tiny, make_run, write_csv):
    run = answered(
        make_run(write_csv("in.csv", [{"text": "a"}]), prompt_template="{text}"), [Result(1, {"reply": "x" * 40_000})]
    )
    with pytest.raises(BadInput, match="more than 32767 characters"):
        write_results(run, tmp_path / "out.xlsx")
    assert not (tmp_path / "out.xlsx").exists()


def test_templates():
    template = Template('{{"q": "{问题}", "n": {the number}}} {问题}')
    assert template.columns == ["问题", "the number"]
    # what a cell says is never taken for a template
    assert template.fill({"问题": "{x} {{", "the number": 3.5}) == '{"q": "{x} {{", "n": 3.5} {x} {{'
    for broken in ("{", "a } b", "{}", "{ }", "{a", "{a{b}}"):
        with pytest.raises(BadInput, match="a brace without a column"):
            Template(broken)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('[{"role": "user", "content": "Hi"}]', ["system", "user"]),
        ('[{"role":"system","content":"own"},{"role":"user","content":"Hi"}]', ["system", "user"]),
        ('[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]', ["system", "user"]),
        ("Hi", "holds no list of messages"),
        ("[]", "must end with what the user says"),
        ('[{"role":"user"}]', "content must be text"),
        ('[{"role":"user","content":"  "}]', "the prompt is empty"),
    ],
)
def test_a_column_of_messages(tmp_path, write_csv, cell, expected):
    source = write_csv("in.csv", [{"who": "Ann", "messages": cell}])
    spec = BatchSpec(file=source, messages_column="messages", system="For {who}")
    (shown,) = preview(source, spec)
    if isinstance(expected, str):
        assert expected in str(shown.problem) and shown.messages == []
    else:
        assert [turn["role"] for turn in shown.messages] == expected
        assert shown.messages[0]["content"] == ("own" if "own" in cell else "For Ann")


def test_refusals(tmp_path, starter, tiny, write_csv):
    source = write_csv("in.csv", [{"text": "a", "label": "b"}])
    empty, header, workbook = (tmp_path / name for name in ("empty.csv", "header.csv", "bad.xlsx"))
    empty.write_bytes(b"")
    header.write_text("text,label\n")
    workbook.write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0 old")
    (tmp_path / "there.csv").touch()
    good = {"file": source, "prompt_template": "{text}", "model": "tiny"}
    check(BatchSpec.model_validate(good))
    for changes, sentence in [
        ({"file": tmp_path / "missing.csv"}, "There is no file"),
        ({"file": empty}, "is empty"),
        ({"file": header}, "needs a header and a row below it"),
        ({"file": workbook}, "no Excel file that can be read"),
        ({"file": tmp_path / "old.xls"}, "old Excel file"),
        ({"prompt_template": "{question}"}, "has no column “question”: it has text, label"),
        ({"system": "{question}"}, "has no column “question”"),
        ({"prompt_template": "{"}, "a brace without a column"),
        ({"prompt_template": None}, "one of the two"),
        ({"messages_column": "text"}, "one of the two"),
        ({"prompt_template": None, "messages_column": "x"}, "has no column “x”"),
        ({"reference": "x"}, "has no column “x”"),
        ({"model": "nothing"}, "There is no model"),
        ({"adapter": "nobody"}, "There is no adapter “nobody”"),
        ({"adapter_b": "nobody"}, "There is no adapter “nobody”"),
        ({"judge": "nobody"}, "There is no adapter “nobody”"),
        ({"json_schema": "{"}, "The schema is no JSON:"),
        ({"json_schema": '{"type": 7}'}, "The schema is no JSON schema"),
        ({"out": tmp_path / "out.doc"}, "an ending that cannot be written"),
        ({"out": tmp_path / "none" / "out.csv"}, "There is no folder"),
        ({"out": tmp_path / "there.csv"}, "There is already a file"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            check(BatchSpec.model_validate({**good, **changes}))
