"""A real one-node Ray cluster for the tests that need one, started with a token and ended with its own processes alone."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.engine.training.helpers import until

TOKEN = secrets.token_hex(32)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(address: str) -> bool:
    request = urllib.request.Request(f"{address}/api/version", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        return urllib.request.urlopen(request, timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def one_node():
    """The address of a cluster's dashboard."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # Ray's sockets need a short path
    ports = {name: str(_free_port()) for name in ("port", "dashboard-port", "dashboard-agent-listen-port")}
    words = [word for name, port in ports.items() for word in (f"--{name}", port)]
    words += ["--num-cpus", "2", "--object-store-memory", "100000000", "--dashboard-host", "127.0.0.1"]
    words += ["--ray-client-server-port", str(_free_port()), "--disable-usage-stats", "--temp-dir", folder, "--block"]
    here = str(Path(sys.executable).parent)
    cluster = subprocess.Popen(
        [f"{here}/ray", "start", "--head", *words],
        env={**os.environ, "PATH": f"{here}:{os.environ['PATH']}", **_token()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{ports['dashboard-port']}"
    try:
        until(lambda: _answers(address))
        yield address
    finally:
        own = [psutil.Process(cluster.pid), *psutil.Process(cluster.pid).children(recursive=True)]
        os.killpg(cluster.pid, signal.SIGTERM)
        _, left = psutil.wait_procs(own, 5)
        for process in left:
            process.kill()
        cluster.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _token() -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


@pytest.fixture
def cluster(one_node, monkeypatch):
    """A studio that knows the cluster and its token."""
    for name, value in {"STUDIO_RAY_ADDRESS": one_node, **_token()}.items():
        monkeypatch.setenv(name, value)
    return one_node
