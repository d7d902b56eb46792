"""Many people in two processes at one queue: no task twice, none lost."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from engine.labelling import export
from engine.labelling.progress import people, progress
from engine.settings import ROOT

WORKER = Path(__file__).with_name("take_tasks.py")


def _worker(name: str, queue_id: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), name, str(queue_id), "8"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("overlap", [1, 3])
def test_sixteen_people_in_two_processes(make_queue, overlap, proof):
    queue = make_queue(prompts=60, overlap=overlap)
    workers = [_worker(name, queue.id) for name in ("left", "right")]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    saved: list[tuple[str, str]] = []
    for worker in workers:
        output, _ = worker.communicate(timeout=300)
        assert worker.returncode == 0
        saved += [(task, who) for task, who in map(str.split, output.splitlines())]
    by_task = Counter(task for task, _ in saved)
    assert len(by_task) == 60 and set(by_task.values()) == {overlap}
    assert len(set(saved)) == len(saved), "nobody had a task twice"
    assert progress(queue).done == 60
    assert len(list(export.to_records(queue))) == 60 * overlap
    both = {person.name.split("-")[0] for person in people(queue)}
    assert both == {"left", "right"}, "they did work at once"
    proof(f"labelling-at-once-{overlap}", tasks=60, labels=len(saved), people=len(people(queue)), twice=0, lost=0)
