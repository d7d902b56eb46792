"""Fifty clients at once: nothing fails but by “busy”, what is written is right, and memory stays flat.

The rule for memory: after a third of the time every buffer, thread and cache has been needed once. From then on the median
of the server's resident memory may rise by no more than 5 % until the last third. Hundreds of requests pass in ten seconds and
thousands in the minute of `make prove`, where a reply's cache that is not let go (30 KiB here) would be more.
"""

import statistics
import threading
import time
from collections import Counter

import openai
import psutil

from tests.conftest import PROVE
from tests.engine.serving.servers import MODEL, running

CLIENTS = 50
SECONDS = 60 if PROVE else 10


def test_fifty_clients_at_once(served_home, proof):
    seen: Counter[str] = Counter()
    replies: dict[tuple[str, int], set[str]] = {}
    with running(served_home, STUDIO_BATCH_ROWS="8", STUDIO_WAITING_REQUESTS="20") as server:
        end = time.monotonic() + SECONDS
        threads = [
            threading.Thread(target=_one_client, args=(server, number, end, seen, replies)) for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        memory = []
        process = psutil.Process(server.process.pid)
        while time.monotonic() < end:
            memory.append(process.memory_info().rss)
            time.sleep(0.2)
        for thread in threads:
            thread.join()
        server.wait_for_work(lambda n: n == 0)
        third = len(memory) // 3
        before, after = (statistics.median(part) for part in (memory[third : 2 * third], memory[2 * third :]))
        proof("serving-fifty-clients", seconds=SECONDS, **seen, rss_mib=[round(m / 2**20) for m in (before, after)])
        assert set(seen) == {"done", "busy"} and seen["done"] > CLIENTS / 2, seen
        assert after < 1.05 * before, [round(m / 2**20) for m in memory]
        assert all(len(texts) == 1 for texts in replies.values()), "a seeded reply depends on its company"
        assert "Traceback" not in server.log.read_text()


def _one_client(server, number: int, end: float, seen: Counter, replies: dict) -> None:
    with server.client() as client:
        while time.monotonic() < end:
            try:
                model, seed = ("red" if number % 2 else MODEL), number % 5
                asked = {
                    "model": model,
                    "messages": [{"role": "user", "content": "Hello"}],
                    "max_tokens": 20,
                    "seed": seed,
                    "extra_body": {"top_k": 20},  # of nearly even tokens rounding alone would choose
                }
                if number % 3:
                    chunks = client.chat.completions.create(**asked, stream=True)
                    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
                else:
                    text = client.chat.completions.create(**asked).choices[0].message.content
                replies.setdefault((model, seed), set()).add(text)
                seen["done"] += 1
            except openai.InternalServerError as error:
                seen["busy" if error.status_code == 503 and error.code == "busy" else repr(error)] += 1
                time.sleep(0.2)
            except Exception as error:
                seen[repr(error)] += 1
