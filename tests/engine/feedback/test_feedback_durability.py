"""An acknowledged row is on disk, whoever else writes and whatever kills the writer."""

import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from engine.database import writing
from engine.feedback import store
from tests.conftest import PROVE

ROOT = Path(__file__).resolve().parents[3]
WRITER = Path(__file__).with_name("write_feedback.py")


def start_writer(name: str, rows: int) -> subprocess.Popen[str]:
    """A process that writes feedback, with its acknowledgements on its standard output."""
    command = [sys.executable, str(WRITER), name, str(rows)]
    return subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def written(home: Path) -> dict[int, tuple[str, int]]:
    """What the database holds, looked at without the code under test; fails if the file is damaged."""
    with sqlite3.connect(home / "var/studio.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {row: (who, number) for row, who, number in db.execute("SELECT id, annotator, message_id FROM feedback")}


def acknowledged(lines: list[str]) -> dict[int, tuple[str, int]]:
    """The rows a writer said were kept; a line cut by the kill says nothing."""
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {int(row): (who, int(number)) for row, who, number in whole}


@pytest.mark.parametrize("seed", range(20 if PROVE else 4))
def test_a_killed_writer_loses_nothing_it_acknowledged(studio_home, seed, proof):
    moment = random.Random(seed).randrange(1, 900)
    with start_writer("killed", 50) as writer:
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(moment)]
        writer.kill()
        lines += writer.stdout.readlines()
    promised = acknowledged(lines)
    assert moment <= len(promised) < 1000  # it did die in the middle
    kept = written(studio_home)
    assert {row: kept.get(row) for row in promised} == promised
    proof(
        f"2.5-kill-while-rating-{seed}", acknowledged=len(promised), found=len(kept), lost=len(promised.keys() - kept)
    )


def test_a_writer_holds_the_lock_from_the_start_and_readers_do_not_wait(studio_home):
    with writing():
        assert store.count() == 0
        other = sqlite3.connect(studio_home / "var/studio.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_two_processes_that_start_together_lose_nothing(studio_home):
    writers = [start_writer(name, 10) for name in ("left", "right")]
    promised: dict[int, tuple[str, int]] = {}
    for writer in writers:
        output, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        promised |= acknowledged(output.splitlines(keepends=True))
    assert written(studio_home) == promised
    people = Counter(who for who, _ in promised.values())
    assert len(people) == 40 and set(people.values()) == {10}
