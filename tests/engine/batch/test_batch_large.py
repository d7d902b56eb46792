"""A file that is larger than what may be in memory: 50 MB, and 1 GB under `make prove`."""

import contextlib
import csv
import time

import psutil

from engine.batch.spec import BatchSpec
from engine.jobs.batch import start_batch
from engine.runs.run import ENDED
from tests.conftest import PROVE

CELL = 250_000
ROWS = 4000 if PROVE else 200
MOST = 30 * 2**20
"""Bytes that the large file may cost more than a small one with as many rows."""


def _file(path, cell: int):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "note"])
        writer.writerows([number, "很长的“文字”\n"[:cell] * (cell // 20)] for number in range(ROWS))
    return path


def _peak(path, out) -> int:
    """The most memory that the run's process had, in bytes."""
    run = start_batch(BatchSpec(file=path, prompt_template="Number {id}", model="tiny", max_new_tokens=1, out=out))
    peak = 0
    while run.status().state not in ENDED:
        process = run.status().process
        if process and psutil.pid_exists(process[0]):
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, psutil.Process(process[0]).memory_info().rss)
        time.sleep(0.02)
    assert run.status().state == "finished", run.log_tail()
    assert run.status().result["done"] == ROWS
    return peak


def test_memory_does_not_grow_with_the_file(tiny, tmp_path, proof):
    small = _peak(_file(tmp_path / "small.csv", 20), tmp_path / "small.out.csv")
    large = _peak(_file(tmp_path / "large.csv", CELL), tmp_path / "large.out.csv")
    size = (tmp_path / "large.csv").stat().st_size
    assert size > ROWS * CELL and (tmp_path / "large.out.csv").stat().st_size > size
    proof("8.7-large-file", megabytes=size // 10**6, rows=ROWS, extra_megabytes=(large - small) / 10**6)
    assert large - small < MOST
