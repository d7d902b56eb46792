"""Imports that are killed, stopped or go wrong in the middle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.belle import write_belle
from engine.data import importing, registry
from engine.data.importing import import_files
from engine.errors import BadInput
from engine.settings import settings

# Dies by SIGKILL once a share of the bytes is read.
DYING = """
import os, signal, sys
from pathlib import Path
from engine.data import importing
importing.AT_ONCE = 100
def die(done, total):
    if done >= float(sys.argv[1]) * total:
        os.kill(os.getpid(), signal.SIGKILL)
importing.import_files([Path(name) for name in sys.argv[2:]], "data", progress=die)
"""


def test_a_killed_import_goes_on_where_it_was(tmp_path):
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    broken = [write_belle(path, 3000, seed) for seed, path in enumerate(files)]
    import_files(files, "undisturbed")
    rows = 0
    for share in (0.3, 0.6, 0.9):
        command = [sys.executable, "-c", DYING, str(share), *map(str, files)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        assert subprocess.run(command, env=environment, timeout=300).returncode == -9
        assert [card.name for card in registry.list_datasets()] == ["undisturbed"]
        note = json.loads((settings().datasets / ".data.partial" / "note.json").read_text())["note"]
        assert note["rows"] > rows
        rows = note["rows"]
    read = []
    imported = import_files(files, "data", progress=lambda done, total: read.append(done / total))
    assert read[0] > 0.85  # nothing before is read again
    assert registry.card("data").content_sha256 == registry.card("undisturbed").content_sha256
    told = [json.loads(line) for line in imported.broken_file.read_text().splitlines()]
    assert [(line["file"], line["line"]) for line in told] == [
        (path.name, line) for path, lines in zip(files, broken, strict=True) for line in lines
    ]
    assert sorted(path.name for path in (settings().datasets / "data").iterdir()) == [
        "broken.jsonl", "card.json", "rows.jsonl", "versions",
    ]  # fmt: skip


def test_another_import_of_the_name_begins_anew(write, talk, monkeypatch):
    monkeypatch.setattr(importing, "AT_ONCE", 1)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_files([write("a.jsonl", talk("a", "b"), talk("c", "d"))], "data", progress=stop)
    import_files([write("b.jsonl", talk("e", "f"))], "data")
    assert [row.model_dump()["messages"][0]["content"] for row in registry.iterate("data")] == ["e"]


def test_every_good_line_is_kept_and_every_broken_one_told(tmp_path):
    path = tmp_path / "belle.jsonl"
    broken = write_belle(path, 2000)
    imported = import_files([path], "data")
    assert (imported.rows, imported.broken) == (2000 - len(broken), len(broken)) and sum(
        imported.reasons.values()
    ) == len(broken)
    assert [line["line"] for line in registry.broken_lines("data", 100)] == broken


def test_a_bad_import_leaves_nothing(write):
    with pytest.raises(BadInput):
        import_files([write("bad.jsonl", {"messages": []}, {"messages": 3})], "data")
    assert not [path for path in settings().datasets.iterdir() if path.is_dir()]
