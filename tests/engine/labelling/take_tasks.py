"""Run as a process of its own: threads label a queue until nothing is left, and each label is printed once it is saved.

Says that it is ready once its first thread has a task, and begins at a line on standard input: so several work at once.

Usage: take_tasks.py NAME QUEUE_ID THREADS
"""

import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from engine.labelling import desk


def label(annotator: str, queue_id: int) -> None:
    """Take and save until there is nothing to take."""
    while work := desk.take(queue_id, annotator):
        time.sleep(random.uniform(0.05, 0.15))  # somebody thinks, and the others have their turn
        desk.save(work.assignment.id, annotator, f"by {annotator}")
        os.write(1, f"{work.task.id} {annotator}\n".encode())


if __name__ == "__main__":
    name, queue_id, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    desk.take(queue_id, f"{name}-0")
    os.write(1, b"ready\n")
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda thread: label(f"{name}-{thread}", queue_id), range(threads)))
