"""The panel of the machine on the Home page: each copy of a model, and why they are where they are."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from engine.models.host import Host
from engine.models.request import Sampling
from engine.settings import settings


def _panel():
    from pages.home.machine import machine

    machine(live=False)


@pytest.fixture
def host(studio_home, monkeypatch):
    monkeypatch.setenv("STUDIO_COPIES", "2")
    monkeypatch.setattr("engine.devices._nvidia", list)
    settings.cache_clear()
    host = Host(2**30)
    monkeypatch.setattr("pages.home.machine.studio_host", lambda: host)
    yield host
    host.unload()


def _captions() -> list[str]:
    app = AppTest.from_function(_panel, default_timeout=30).run()
    assert not app.exception
    return [caption.value for caption in app.caption]


def _load(host: Host, model: str) -> None:
    host.generate("Hello", Sampling(max_new_tokens=1), model).wait()
    deadline = time.monotonic() + 60
    while not all(copy.dtype for copy in host.loaded()[0].copies) or host.loaded()[0].busy:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_copy_is_listed_with_the_reason(host, tiny):
    _load(host, tiny)
    shown = _captions()
    assert [caption.split(":")[0] for caption in shown if caption.startswith("Copy ")] == ["Copy 1", "Copy 2"]
    assert "STUDIO_COPIES asks for 2 copies, and there is no NVIDIA GPU: they share the processor." in shown


def test_a_copy_that_failed_says_why(host, tiny):
    _load(host, tiny)
    second = host._owners[tiny].owners[1]
    second._fail(RuntimeError("CUDA out of memory"))
    second.close()
    assert "Copy 2: Has failed, the others go on: CUDA out of memory" in _captions()
