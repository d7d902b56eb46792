"""Formats are told apart; a broken line is reported and passed over."""

from pathlib import Path
from typing import Any

import pytest

from engine.data.readers import FORMATS, detect
from engine.errors import BadInput

USER, REPLY = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
GOOD = {
    "messages": {"messages": [USER, REPLY]},
    "prompt-completion": {"prompt": "hi", "completion": "hello"},
    "preference": {"prompt": "hi", "chosen": "hello", "rejected": "go away"},
    "unpaired": {"prompt": "hi", "completion": "hello", "label": True},
}


def read(format: str, path: Path) -> list[Any]:
    return list(FORMATS[format].read(path))


@pytest.mark.parametrize("format", GOOD)
def test_detect_and_read(format, write):
    path = write("rows.jsonl", "not json", GOOD[format])
    assert detect(path) == format
    (_, reason), (number, record) = read(format, path)
    assert (number, reason) == (2, "the line is not valid JSON")
    assert record.kind == FORMATS[format].kind
    assert "hello" in record.model_dump_json() and '"role":"user"' in record.model_dump_json()


def test_detect_goes_by_most_lines(write):
    rows = [GOOD["prompt-completion"], GOOD["unpaired"], GOOD["unpaired"]]
    assert detect(write("rows.jsonl", *rows)) == "unpaired"


@pytest.mark.parametrize("lines", [("",), ("plain text",), ("[1, 2]",), ({"question": "hi"},)])
def test_unknown_formats(lines, write):
    with pytest.raises(BadInput, match=r"“odd\.jsonl” has no format"):
        detect(write("odd.jsonl", *lines))


def test_prompts_and_replies_may_be_messages(write):
    system = {"role": "system", "content": "s"}
    path = write("rows.jsonl", {"prompt": [system, USER], "completion": [REPLY]}, {"prompt": [USER], "completion": "x"})
    (_, first), (_, second) = read("prompt-completion", path)
    assert [message.role for message in first.messages] == ["system", "user", "assistant"]
    assert second.messages[-1].content == "x"


def test_utf8_with_and_without_mark(tmp_path, write):
    path = write("plain.jsonl", GOOD["messages"], GOOD["messages"])
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read("messages", marked) == read("messages", path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"messages": [{"role": "user", "content": "\\ud83d"}]}', "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        ('{"messages": "é"}'.encode("latin-1"), "not UTF-8"),
        (b"null", "not a JSON object"),
        (b"{}", "list of objects"),
        (b'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""}]}', "no reply"),
    ],
)
def test_broken_lines(line, reason, tmp_path):
    path = tmp_path / "rows.jsonl"
    good = b'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}\n'
    path.write_bytes(good + b"\n" + line + b"\n" + good)
    first, broken, last = read("messages", path)
    assert (first[0], broken[0], last[0]) == (1, 3, 4)
    assert isinstance(broken[1], str) and reason in broken[1]
    assert first[1] == last[1]


def test_source_is_kept_if_it_is_one(write):
    path = write("rows.jsonl", {**GOOD["messages"], "source": {"feedback": [3]}}, {**GOOD["messages"], "source": "web"})
    (_, first), (_, second) = read("messages", path)
    assert (first.source, second.source) == ({"feedback": [3]}, {})
