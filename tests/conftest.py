"""Every test writes under a folder of its own."""

import pytest

from engine.settings import settings


@pytest.fixture(autouse=True)
def studio_home(tmp_path, monkeypatch):
    """`STUDIO_HOME` for one test."""
    monkeypatch.setenv("STUDIO_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()
