"""`python -m engine serve` in a process of its own, as tests start, watch and end it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openai import OpenAI

from engine.settings import ROOT

MODEL = "endless"
"""A small random model whose replies could go on for minutes."""


@dataclass
class Running:
    """A server."""

    process: subprocess.Popen
    url: str
    home: Path
    log: Path

    def client(self, key: str = "none", **options) -> OpenAI:
        """The official client; it retries nothing, so that a test sees each answer."""
        return OpenAI(base_url=self.url, api_key=key, **{"max_retries": 0, "timeout": 120, **options})

    def metric(self, name: str, key: str = "none", **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        from prometheus_client.parser import text_string_to_metric_families

        request = urllib.request.Request(
            self.url.removesuffix("/v1") + "/metrics", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=30) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def at_work(self, key: str = "none") -> float:
        """Replies and pictures that the engine has not ended."""
        return sum(self.metric(f"studio_{name}", key) for name in ("running", "waiting", "drawing"))

    def wait_for_work(self, wanted: Callable[[float], bool], seconds: float = 30, key: str = "none") -> float:
        """Wait until so much is at work; returns the seconds it took."""
        started = time.monotonic()
        while not wanted(self.at_work(key)):
            assert time.monotonic() - started < seconds, f"{self.at_work(key)} at work after {seconds} s"
            time.sleep(0.05)
        return time.monotonic() - started

    def end(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def running(home: Path, *flags: str, **environment: str) -> Iterator[Running]:
    """`python -m engine serve` on a free port."""
    command = [sys.executable, "-m", "engine", "serve", "--port", "0", "--model", MODEL, *flags]
    environ = {**os.environ, "STUDIO_HOME": str(home), "STUDIO_DTYPE": "float32", **environment}
    log = home / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
        )
    try:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        ready = next((line for line in lines if "answer at http" in line), None)
        assert ready, log.read_text()
        yield Running(process, ready.split(" answer at ")[1].split()[0], home, log)
    finally:
        process.kill()
        process.wait()
