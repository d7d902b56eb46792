"""`python -m engine feedback …`, on a parser with just this group."""

import argparse
import json
from pathlib import Path

import pytest

from engine.commands import feedback
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.schema import Reply

PROMPT = [{"role": "user", "content": "What is a whale?"}]


def run(*argv: str):
    parser = argparse.ArgumentParser()
    feedback.add(parser.add_subparsers())
    arguments = parser.parse_args(["feedback", *argv])
    return arguments.run(arguments)


@pytest.fixture(autouse=True)
def three_rows():
    store.rate("ann", PROMPT, Reply("A fish.", "m"), verdict="bad", correction="A mammal.")
    store.rate("bob", PROMPT, Reply("A fish.", "m"), verdict="good")
    store.add("kept", "bob", PROMPT, Reply("A mammal.", "m", "sea"), Reply("A plant.", "m"))


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--format", "jsonl"], 3),
        (["--format", "sft"], 1),
        (["--format", "preference"], 2),
        (["--format", "unpaired"], 2),
        (["--format", "jsonl", "--annotator", "bob"], 2),
        (["--format", "jsonl", "--kind", "kept"], 1),
        (["--format", "jsonl", "--since", "2100-01-01"], 0),
        (["--format", "jsonl", "--since", "2020-01-01T10:00+08:00"], 3),
    ],
)
def test_export(tmp_path, capsys, options, rows):
    out = tmp_path / "out.jsonl"
    assert run("export", *options, "--out", str(out)) == {"rows": rows, "file": str(out)}
    lines = out.read_text(encoding="utf-8").splitlines()
    assert len([json.loads(line) for line in lines]) == rows
    assert f"{rows} rows" in capsys.readouterr().out


def test_export_begins_with_the_oldest(tmp_path):
    run("export", "--format", "jsonl", "--out", str(tmp_path / "out.jsonl"))
    ids = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert ids == [1, 2, 3]


def test_a_bad_date_is_refused(tmp_path):
    with pytest.raises(BadInput, match="not a date"):
        run("export", "--format", "jsonl", "--out", str(tmp_path / "out.jsonl"), "--since", "yesterday")


def test_import_lists_broken_lines(tmp_path, capsys):
    file = tmp_path / "in.jsonl"
    file.write_text(json.dumps({"prompt": PROMPT, "reply": "Big."}) + "\n{\n", encoding="utf-8")
    done = run("import", str(file), "--annotator", "cat")
    assert (done["rows"], done["known"], done["broken"]) == (1, 0, 1)
    assert Path(done["broken_file"]).read_text(encoding="utf-8").startswith("2: ")
    assert store.find()[0].annotator == "cat"
    assert "1 broken" in capsys.readouterr().out


def test_import_without_broken_lines_has_no_broken_file(tmp_path):
    (tmp_path / "in.jsonl").write_text("", encoding="utf-8")
    done = run("import", str(tmp_path / "in.jsonl"))
    assert done == {"rows": 0, "known": 0, "broken": 0, "broken_file": None}


def test_stats(capsys):
    done = json.loads(json.dumps(run("stats")))
    assert (done["rows"], done["good"], done["bad"], done["good_share"]) == (3, 1, 1, 0.5)
    assert done["kinds"] == {"rating": 2, "kept": 1}
    assert done["annotators"]["bob"]["rows"] == 2
    assert done["adapters"]["sea"] == {"rows": 1, "good": 0, "bad": 0, "good_share": None}
    assert done["agreement"]["verdict"] == {"alpha": 0.0, "replies": 1, "annotators": 2}
    assert done["agreement"]["rating"] == {"alpha": None, "replies": 0, "annotators": 0}
    printed = capsys.readouterr().out
    assert "(base model)" in printed and "alpha undefined" in printed
