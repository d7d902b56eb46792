"""The curves also go where people are used to look, without an account and without asking anybody."""

import sqlite3

import pytest

from engine.runs import open_run
from tests.engine.training.helpers import train


def _tensorboard(run, home):
    return list(run.path.rglob("events.out.tfevents*"))


def _wandb(run, home):
    return list((run.path / "wandb").glob("offline-run-*/run-*.wandb"))


def _trackio(run, home):
    [database] = (home / "var" / "trackio").rglob("studio.db")
    with sqlite3.connect(database) as db:
        return [row for row in db.execute("select run_name from metrics") if row[0] == run.id]


@pytest.mark.parametrize(
    ("where", "written"), [("tensorboard", _tensorboard), ("wandb", _wandb), ("trackio", _trackio)]
)
def test_curves_are_written_there(where, written, studio, tiny, sample_dataset, studio_home):
    code, document, errors = train(
        studio, sample_dataset, "x", tiny, "--max-steps", 3, "--report-to", where, "--wait"
    )  # fmt: skip
    assert code == 0, errors
    assert written(open_run(document["run"]), studio_home)
