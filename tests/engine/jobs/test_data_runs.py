"""Background runs about datasets: real processes, their progress, stop, resume and result."""

import shlex
import time
from pathlib import Path

import pytest

from benchmarks.belle import write_belle
from engine.data import registry
from engine.data.cleaning import Cleaning
from engine.data.prepared import Options, load
from engine.data.specs import CleanSpec, ExportSpec, ImportSpec, PrepareSpec
from engine.errors import BadInput
from engine.jobs import local
from engine.runs import Run
from engine.runs.run import ENDED


def wait(run: Run, seconds: float = 120) -> str:
    """The state a run ends in."""
    deadline = time.monotonic() + seconds
    while run.status().state not in ENDED:
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.1)
    return run.status().state


def test_import_clean_prepare_export(tmp_path, tiny):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    broken = write_belle(uploads / "belle.jsonl", 3000)
    run = local.start_data(ImportSpec(files=[str(uploads / "belle.jsonl")], name="data", uploads=uploads))
    assert wait(run) == "finished", run.log_tail()
    status = run.status()
    assert (status.unit, status.subject, status.result["rows"]) == ("bytes", "data", 3000 - len(broken))
    assert status.step == status.max_steps > 0 and not uploads.exists()

    run = local.start_data(CleanSpec(dataset="data", options=Cleaning(dedup="exact"), by="Ann"))
    assert wait(run) == "finished", run.log_tail()
    card = registry.card("data")
    assert (card.version, card.rows, card.filters) == (2, run.status().result["rows_kept"], ["dedup"])
    assert (
        card.change["report"]["dropped"] == {"duplicate": 3000 - len(broken) - card.rows} and card.change["by"] == "Ann"
    )

    run = local.start_data(PrepareSpec(dataset="data", model=tiny, options=Options(max_length=256)))
    assert wait(run) == "finished", run.log_tail()
    result = run.status().result
    assert len(load(Path(result["path"]))[0]) == result["train_rows"] and run.status().unit == "rows"
    assert shlex.split(run.command())[3:] == ["data", "prepare", "data", "--model", "tiny", "--max-length", "256"]

    out = tmp_path / "out.csv"
    run = local.start_data(ExportSpec(dataset="data@1", format="alpaca", file=out))
    assert wait(run) == "finished" and out.exists() and run.status().result["rows"] == 3000 - len(broken)


def test_stop_and_resume(tmp_path):
    path = tmp_path / "belle.jsonl"
    broken = write_belle(path, 120_000)
    run = local.start_data(ImportSpec(files=[str(path)], name="data"))
    while not 0 < run.status().step < run.status().max_steps:
        assert run.status().state not in ENDED, run.log_tail()
        time.sleep(0.05)
    local.stop(run)
    assert run.status().state == "stopped" and registry.list_datasets() == []
    begun = run.status().step
    local.resume(run)
    assert wait(run) == "finished", run.log_tail()
    assert run.status().result["rows"] == 120_000 - len(broken) and begun > 0


def test_refusals_start_nothing(sample_dataset, write_text):
    for spec, sentence in [
        (ImportSpec(files=["x"], name=sample_dataset), "already a dataset"),
        (CleanSpec(dataset="none", options=Cleaning(normalise=True)), "no dataset"),
        (PrepareSpec(dataset="zorvex@7", model="tiny"), "no version 7"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            local.start_data(spec)
    run = local.start_data(ImportSpec(files=[str(write_text)], name="new"))
    assert wait(run) == "failed"
    assert run.status().reason and "has no format" in str(run.status().reason)


@pytest.fixture
def write_text(tmp_path):
    """A file of no known format."""
    path = tmp_path / "plain.txt"
    path.write_text("just words\nand more words\n")
    return path
