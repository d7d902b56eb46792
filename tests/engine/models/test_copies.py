"""Two real copies of a model on the CPU: they share the requests, say the same as one, and stand in for each other."""

import threading
import time

import pytest

from engine.errors import Busy, Failure
from engine.models import loader
from engine.models.copies import Copies
from engine.models.request import ReplyStream, Sampling
from engine.settings import settings

GREEDY = Sampling(max_new_tokens=8, temperature=0)
LONG = Sampling(max_new_tokens=400, temperature=0)


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setenv("STUDIO_COPIES", "2")
    settings.cache_clear()


def _asked(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _up(host, model: str) -> Copies:
    """The model's copies, once all are loaded or have failed."""
    host.generate(_asked("Hello"), Sampling(max_new_tokens=1), model).wait()
    copies = host._owners[model]
    deadline = time.monotonic() + 60
    while not all(owner.ready or not owner.alive for owner in copies.owners):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    _until_idle(copies)
    return copies


def _until_idle(copies: Copies) -> None:
    deadline = time.monotonic() + 60
    while copies.busy:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _failing_load(monkeypatch, host, model: str, which: set[int]) -> None:
    """The copies with these numbers cannot be loaded."""
    load = loader.load_model

    def load_or_fail(*arguments, **options):
        time.sleep(0.3)  # long enough for requests to wait
        threads = [owner._thread for owner in host._owners[model].owners]
        if threads.index(threading.current_thread()) in which:
            raise RuntimeError("CUDA out of memory")
        return load(*arguments, **options)

    monkeypatch.setattr(loader, "load_model", load_or_fail)


def test_two_copies_share_a_batch_and_say_the_same_as_one(host, starter, monkeypatch):
    work = [f"Name {n} animals." for n in range(1, 41)]

    def ask() -> list[ReplyStream]:
        return [host.generate(_asked(text), GREEDY, starter, priority="batch") for text in work]

    alone = [stream.wait().text for stream in ask()]
    assert len(host.loaded()[0].copies) == 1
    host.unload()
    monkeypatch.setenv("STUDIO_COPIES", "2")
    settings.cache_clear()
    copies = _up(host, starter)
    before = host.counters()[starter].requests
    streams = ask()
    shares = [owner.busy for owner in copies.owners]
    assert [stream.wait().text for stream in streams] == alone
    assert min(shares) >= 10 and sum(shares) <= 40, shares
    _until_idle(copies)
    counted, shown = host.counters()[starter], host.loaded()
    assert (counted.requests - before, counted.running, counted.waiting) == (40, 0, 0)
    assert len(shown) == 1 and len(shown[0].copies) == 2 and shown[0].devices == {"cpu": 2}
    assert shown[0].bytes == sum(copy.bytes for copy in shown[0].copies) > 1.9 * shown[0].copies[0].bytes
    assert "STUDIO_COPIES asks for 2 copies" in str(shown[0].plan)


def test_the_copy_that_has_the_adapter_gets_its_request(host, tiny, make_adapter, two):
    make_adapter("red", tiny, seed=1)
    make_adapter("blue", tiny, seed=2)
    first, second = _up(host, tiny).owners
    company = host.generate(_asked("Hello"), LONG, tiny)  # the first copy is busy
    host.generate(_asked("Hello"), GREEDY, tiny, "red").wait()
    company.cancel()
    host.generate(_asked("Hello"), GREEDY, tiny, "blue").wait(timeout=60)
    _until_idle(host._owners[tiny])
    assert second.describe().adapters[:1] == ["red"]
    for _ in range(3):
        host.generate(_asked("Hello"), GREEDY, tiny, "red").wait()
        _until_idle(host._owners[tiny])
    assert "red" not in first.describe().adapters


def test_both_load_an_adapter_at_once_and_torch_stays_whole(host, tiny, make_adapter, two):
    import torch

    make_adapter("red", tiny, seed=1)
    register = torch.nn.Module.register_parameter
    copies = _up(host, tiny)
    streams = [host.generate(_asked("Hello"), GREEDY, tiny, "red") for _ in range(8)]
    assert len({stream.wait().text for stream in streams}) == 1
    assert [owner.describe().adapters for owner in copies.owners] == [["red"], ["red"]]
    assert torch.nn.Module.register_parameter is register and torch.get_default_dtype() == torch.float32


def test_busy_only_when_all_are_full(host, tiny, two, monkeypatch):
    monkeypatch.setenv("STUDIO_WAITING_REQUESTS", "3")
    monkeypatch.setenv("STUDIO_BATCH_ROWS", "1")
    settings.cache_clear()
    copies = _up(host, tiny)
    streams = []
    with pytest.raises(Busy, match="3 requests wait"):
        for _ in range(50):
            streams.append(host.generate(_asked("Hello"), LONG, tiny, priority="batch"))
    assert all(owner.busy >= 3 for owner in copies.owners)
    for stream in streams:
        stream.cancel()


def test_who_waits_for_a_copy_that_fails_to_load_is_answered_by_the_other(host, tiny, two, monkeypatch):
    _failing_load(monkeypatch, host, tiny, {0})
    streams = [host.generate(_asked("Hello"), GREEDY, tiny) for _ in range(6)]
    assert len({stream.wait(timeout=60).text for stream in streams}) == 1
    _until_idle(host._owners[tiny])
    shown = host.loaded()[0]
    assert [copy.trouble for copy in shown.copies] == ["CUDA out of memory", ""]
    assert shown.devices == {"cpu": 1} and not shown.trouble
    assert host.counters()[tiny].requests == 6


def test_if_all_fail_everybody_is_told_and_the_next_one_tries_anew(host, tiny, two, monkeypatch):
    which = {0, 1}
    _failing_load(monkeypatch, host, tiny, which)
    for stream in [host.generate(_asked("Hello"), GREEDY, tiny) for _ in range(4)]:
        with pytest.raises(RuntimeError, match="out of memory"):
            stream.wait(timeout=60)
    assert host.loaded() == [] and host.counters()[tiny].waiting == 0
    which.clear()
    assert host.generate(_asked("Hello"), GREEDY, tiny).wait(timeout=60).text


def test_unloading_ends_all_copies_and_loses_nobody(host, tiny, two, monkeypatch):
    monkeypatch.setenv("STUDIO_BATCH_ROWS", "1")
    settings.cache_clear()
    _up(host, tiny)
    streams = [host.generate(_asked("Hello"), LONG, tiny, priority="batch") for _ in range(8)]
    host.unload(tiny)
    ends = []
    for stream in streams:
        try:
            ends.append(stream.wait(timeout=60).finish_reason)
        except Failure as error:
            ends.append(str(error))
    assert set(ends) <= {"cancelled", "The model was unloaded: ask again to load it anew."}
    assert host.loaded() == [] and host.counters()[tiny].waiting == 0


def test_copies_count_against_the_budget(tiny, two):
    from engine.models.host import Host

    with pytest.raises(Failure, match="STUDIO_HOST_MEMORY_GIB"):
        Host(budget=20 * 2**20).generate(_asked("Hello"), GREEDY, tiny)  # room for one
