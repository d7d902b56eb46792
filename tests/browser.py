"""A real Chromium and a real Streamlit server, for the browser tests, the pictures in the docs and the benchmarks."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from engine.settings import ROOT

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless; `STUDIO_CHROMIUM` names another."""
    path = os.environ.get("STUDIO_CHROMIUM") or shutil.which("chromium")
    assert path, "the browser tests need Chromium: install your system's package, or set STUDIO_CHROMIUM to its path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Server:
    """`streamlit run` on a free port.

    Args:
        script: what to serve.
        home: its STUDIO_HOME.
        environment: more variables for it.
    """

    def __init__(self, script: Path = ROOT / "Home.py", home: Path | None = None, **environment: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._script = script
        self._environment = {**os.environ, **environment, **({"STUDIO_HOME": str(home)} if home else {})}
        self._log = (home or script.parent) / "streamlit.log"
        self._process: subprocess.Popen | None = None

    def start(self) -> "Server":
        """Start and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", str(self._script), "--server.port", str(self.port)]
        options = ["--server.address", "127.0.0.1", "--server.fileWatcherType", "none", "--server.headless", "true"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], cwd=self._script.parent, env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2)
                return self
            time.sleep(0.2)
        raise AssertionError(f"the server did not start: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.kill()
