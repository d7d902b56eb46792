"""Run as a process of its own: 20 threads write feedback, and each row's number is printed once the row is acknowledged.

Usage: write_feedback.py NAME ROWS_PER_THREAD
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from engine.feedback import store
from engine.feedback.schema import Reply

PROMPT = [{"role": "user", "content": "What is a whale?"}]
WHALE = Reply("A mammal.", "starter", sampling={"seed": 7})
FISH = Reply("A fish.", "starter")


def write(annotator: str, rows: int) -> None:
    """Ratings and kept replies in turns."""
    for number in range(1, rows + 1):
        if number % 2:
            row = store.rate(annotator, PROMPT, WHALE, message_id=number, verdict="good")
        else:
            row = store.add("kept", annotator, PROMPT, WHALE, FISH, message_id=number)
        os.write(1, f"{row.id} {annotator} {number}\n".encode())


if __name__ == "__main__":
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda thread: write(f"{sys.argv[1]}-{thread}", int(sys.argv[2])), range(20)))
