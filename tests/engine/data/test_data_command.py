"""`data` on the command line."""

import argparse
import json
from pathlib import Path

import pytest

from engine.commands import data
from engine.commands.output import json_only
from engine.errors import BadInput


@pytest.fixture
def command(capfd):
    """Runs one `data` command and returns its JSON document."""
    top = argparse.ArgumentParser()
    data.add(top.add_subparsers())

    def run(*words: object):
        arguments = top.parse_args(["data", *map(str, words), "--json"])
        with json_only(arguments.json) as write:
            write(arguments.run(arguments))
        return json.loads(capfd.readouterr().out)

    return run


def test_import_show_list_delete(command, write, talk):
    path = write("a.jsonl", talk("a", "b"), "oops")
    imported = command("import", path, "--name", "first")
    assert {key: imported[key] for key in ("name", "rows", "broken")} == {"name": "first", "rows": 1, "broken": 1}
    assert json.loads(Path(imported["broken_file"]).read_text())["line"] == 2
    shown = command("show", "first")
    assert (shown["name"], shown["rows"], shown["sources"][0]["file"]) == ("first", 1, "a.jsonl")
    assert command("list") == [shown]
    command("delete", "first")
    assert command("list") == []


def test_prepare(command, write, talk, chatml, studio_home):
    from safetensors.numpy import save_file

    folder = studio_home / "model"
    chatml.save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    save_file({}, folder / "model.safetensors")
    command("import", write("a.jsonl", talk("a", "b"), talk("c", "d" * 999)), "--name", "first", "--format", "messages")
    done = command("prepare", "first", "--model", folder, "--max-length", 50, "--split", 0)
    assert (done["name"], done["rows_in"], done["rows_kept"], done["dropped"]) == ("first", 2, 1, {"too long": 1})
    assert done["tokens"] > 0 and done["path"].startswith(str(studio_home / "var" / "datasets" / "first" / "prepared"))


def test_words_for_a_person(write, talk, capsys):
    top = argparse.ArgumentParser()
    data.add(top.add_subparsers())
    for words in (
        ["import", str(write("a.jsonl", talk("你好", "您好"), "oops")), "--name", "first"],
        ["show", "first"],
    ):
        arguments = top.parse_args(["data", *words])
        with json_only(False):
            arguments.run(arguments)
    printed = capsys.readouterr().out
    assert "Rows in “first”: 1" in printed and "could not be read: 1" in printed and "您好" in printed


def test_a_wrong_name_needs_no_tokenizer(command):
    with pytest.raises(BadInput, match="no dataset"):
        command("prepare", "nothing", "--model", "/no/such/model")


def test_from_a_table_to_a_cleaned_version_and_out_again(command, tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\n你好,您好\n你好,您好\n bye ,再见\n,\n", encoding="gb18030")
    imported = command("import", path, "--name", "table", "--columns", "instruction=question", "output=answer")
    assert (imported["rows"], imported["broken"]) == (3, 1)
    cleaned = command("clean", "table", "--normalise", "--dedup", "exact")
    assert (cleaned["version"], cleaned["rows_kept"], cleaned["dropped"]) == (2, 2, {"duplicate": 1})
    out = tmp_path / "out.jsonl.gz"
    written = command("export", "table", "--format", "sharegpt", "--out", out)
    assert (written["rows"], written["version"]) == (2, 2)
    assert command("import", out, "--name", "again")["rows"] == 2
    for words, sentence in [
        (["clean", "table"], "at least one cleaning step"),
        (["export", "table", "--out", out], "exists|already"),
        (["import", path, "--name", "x", "--columns", "instruction"], "is no mapping"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            command(*words)


def test_changing_by_hand(command, write, talk):
    command("import", write("a.jsonl", talk("a", "b"), talk("c", "d"), talk("e", "f")), "--name", "hand")
    row = '{"messages": [{"role": "user", "content": "new"}, {"role": "assistant", "content": "x"}]}'
    assert command("replace", "hand", 2, row)["version"] == 2
    with pytest.raises(BadInput, match="The row cannot be used"):
        command("replace", "hand", 2, '{"messages": []}')
    assert command("remove", "hand", 1)["rows"] == 2
    assert [found["row"] for found in command("search", "hand", "NEW")] == [1]
    difference = command("compare", "hand", 1, 3)
    assert (difference["kept"], difference["changed_rows"], difference["removed_rows"]) == (1, 1, 1)
    assert command("restore", "hand", 1)["version"] == 4
    assert [card["version"] for card in command("versions", "hand")] == [4, 3, 2, 1]
    assert command("merge", "hand", "hand@3", "--name", "both")["rows"] == 5
    assert command("show", "hand@3")["rows"] == 2
