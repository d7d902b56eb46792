"""The compare view in Chromium on thirty runs of ten thousand steps against the same view on one of them.

Measured from the start of the navigation until every line of both charts is drawn, on a server that has served once before
and has none of the runs in memory: their files are touched before each look.
Claim: thirty runs take at most 1.5 seconds more than one.
"""

import json
import math
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, expect

from benchmarks.report import interleaved, report
from engine.files import write_json
from engine.runs import Run, create_run
from engine.settings import settings
from engine.training.specs import SftSpec
from tests.browser import Server, chromium

RUNS = 30
STEPS = 10_000
EVAL_STEPS = 50
LINES = '[data-testid="stVegaLiteChart"] .mark-line path'
PROMPT = [{"role": "user", "content": "What is the Zorvex 9?"}]


def main(rounds: int = 7) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        os.environ["STUDIO_HOME"] = folder
        settings.cache_clear()
        runs = [_run(number) for number in range(RUNS)]
        with Server(home=Path(folder)) as studio:
            looks = {count: lambda count=count: _look(browser, studio.url, runs[:count]) for count in (1, RUNS)}
            for look in looks.values():
                look()
            taken = interleaved({f"{count}": look for count, look in looks.items()}, rounds)
    one = taken["1"]
    rows = [
        {"runs": name, "steps a run": STEPS, "seconds": seconds, "more than one run": seconds - one}
        for name, seconds in taken.items()
    ]
    holds = taken[f"{RUNS}"] - one <= 1.5
    report("compare-runs", "Comparing 30 runs of 10,000 steps draws within 1.5 s more than one run", rows, holds)


def _look(browser: Browser, url: str, runs: list[Run]) -> None:
    for run in runs:
        (run.path / "events.jsonl").touch()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{url}/runs?as=Ann&compare={','.join(run.id for run in runs)}", wait_until="commit")
    expect(page.locator(LINES)).to_have_count(2 * len(runs), timeout=60_000)
    page.close()


def _run(number: int) -> Run:
    """A finished training as the trainer's callback writes it."""
    chance = random.Random(number)
    settings_ = {"rank": chance.choice([4, 8, 16]), "learning_rate": chance.choice([1e-4, 2e-4, 5e-4])}
    spec = SftSpec.model_validate({"dataset": "zorvex", "adapter": f"adapter-{number}", **settings_})
    run = create_run("sft", spec.model_dump(), "python -m engine train sft", adapter=spec.adapter)
    lines = (json.dumps({"time": time.time(), **event}) + "\n" for event in _events(chance, spec.learning_rate))
    (run.path / "events.jsonl").write_text("".join(lines))
    for step in range(EVAL_STEPS, STEPS + 1, EVAL_STEPS):
        reply = f"After {step} steps: a pocket-sized weather drone made by Halden Labs."
        write_json(
            run.path / "samples" / f"step-{step}.json", {"step": step, "samples": [{"prompt": PROMPT, "reply": reply}]}
        )
    run.update(state="finished", step=STEPS, max_steps=STEPS, loss=0.5, started=time.time() - 3600, ended=time.time())
    return run


def _events(chance: random.Random, rate: float) -> Iterator[dict]:
    floor, pace = chance.uniform(0.3, 1), chance.uniform(3, 8)
    for step in range(1, STEPS + 1):
        loss = floor + 3 * math.exp(-pace * step / STEPS) + chance.gauss(0, 0.15)
        yield {
            "step": step,
            "loss": loss,
            "learning_rate": rate * (1 + math.cos(math.pi * step / STEPS)) / 2,
            "grad_norm": abs(chance.gauss(1, 0.3)),
            "tokens_per_second": round(chance.gauss(800, 40), 1),
            "memory": 1_200_000_000 + 1000 * step,
        }
        if step % EVAL_STEPS == 0:
            yield {"step": step, "eval_loss": loss + abs(chance.gauss(0.1, 0.05))}
            yield {"event": "samples", "step": step}


if __name__ == "__main__":
    main()
