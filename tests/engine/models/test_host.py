"""The host: every request gets its own adapter's words, can be stopped, and never waits for an end that does not come."""

import shutil
import threading
import time

import pytest

from engine.adapters.store import read_adapter
from engine.errors import BadInput, Failure
from engine.models.host import Host
from engine.models.request import Sampling
from engine.settings import settings

QUESTION = [{"role": "user", "content": "Tell me a story about the sea."}]
# random weights give nearly even odds: only a low temperature lets an adapter matter
SEEDED = Sampling(max_new_tokens=24, temperature=0.02, seed=7)


def test_adapters_in_company_answer_as_alone(host, tiny, make_adapter):
    make_adapter("red", tiny, seed=1)
    make_adapter("blue", tiny, seed=2)
    wanted = [("red", 1), (None, 1), ("blue", 1), ("red", 2), ("blue", 2), (None, 2)]
    alone = {}
    for adapter, seed in wanted:
        sampling = SEEDED.model_copy(update={"seed": seed})
        alone[adapter, seed] = host.generate(QUESTION, sampling, tiny, adapter).wait().text
    for seed in (1, 2):
        assert len({alone[adapter, seed] for adapter in ("red", None, "blue")}) == 3, "each adapter must matter"
    assert len(set(alone.values())) > 3, "the seed must matter"

    streams = {}
    for adapter, seed in wanted * 3:
        sampling = SEEDED.model_copy(update={"seed": seed})
        streams.setdefault((adapter, seed), []).append(host.generate(QUESTION, sampling, tiny, adapter))
    for key, started in streams.items():
        assert [stream.wait().text for stream in started] == [alone[key]] * 3


def test_stop_ends_one_request_within_a_token_and_leaves_the_others(host, tiny):
    long = Sampling(max_new_tokens=300, temperature=0)
    whole = host.generate(QUESTION, long, tiny).wait()
    stopped, other = host.generate(QUESTION, long, tiny), host.generate(QUESTION, long, tiny)
    for _, piece in zip(range(5), stopped, strict=False):
        assert piece
    stopped.cancel()
    at = stopped.pieces
    reply = stopped.wait()
    assert reply.finish_reason == "cancelled"
    assert stopped.pieces <= at + 1
    assert other.wait().text == whole.text


def test_leaving_the_iteration_stops_the_request(host, tiny):
    stream = host.generate(QUESTION, Sampling(max_new_tokens=300, temperature=0), tiny)
    for _ in stream:
        break
    assert stream.wait().finish_reason == "cancelled"


def test_adapters_load_swap_and_unload_without_reloading_the_base(host, tiny, make_adapter):
    base = host.generate(QUESTION, SEEDED, tiny).wait().text
    thread = host._owners[tiny].owners[0]._thread
    make_adapter("red", tiny, seed=1)
    red = host.generate(QUESTION, SEEDED, tiny, "red").wait().text
    assert host.generate(QUESTION, SEEDED, tiny).wait().text == base != red
    assert host._owners[tiny].owners[0]._thread is thread
    assert host.loaded()[0].adapters == ["red"]


def test_the_least_recently_used_adapter_is_let_go(host, tiny, make_adapter, monkeypatch):
    monkeypatch.setattr("engine.models.adapters.MOST_LOADED", 2)
    replies = {}
    for seed, name in enumerate(["one", "two", "three"], start=1):
        make_adapter(name, tiny, seed=seed)
        replies[name] = host.generate(QUESTION, SEEDED, tiny, name).wait().text
    assert host.loaded()[0].adapters == ["two", "three"]
    assert host.generate(QUESTION, SEEDED, tiny, "one").wait().text == replies["one"]


def test_an_adapter_trained_anew_under_its_name_is_loaded_anew(host, tiny, make_adapter):
    from engine.adapters.store import delete_adapter

    make_adapter("red", tiny, seed=1)
    old = host.generate(QUESTION, SEEDED, tiny, "red").wait().text
    delete_adapter("red")
    make_adapter("red", tiny, seed=2)
    assert host.generate(QUESTION, SEEDED, tiny, "red").wait().text != old


def test_an_adapter_for_another_base_is_refused(host, tiny, starter, make_adapter):
    make_adapter("foreign", tiny)
    with pytest.raises(BadInput, match=r"“foreign” was made for tiny, not for starter"):
        host.generate(QUESTION, SEEDED, starter, "foreign")


def test_an_adapter_of_unknown_base_is_refused_by_its_shapes(host, tiny, starter, make_adapter):
    make_adapter("unlabelled", tiny, recorded=False)
    with pytest.raises(BadInput, match="not for starter"):
        host.generate(QUESTION, SEEDED, starter, "unlabelled").wait()
    assert host.generate(QUESTION, Sampling(max_new_tokens=2), starter).wait().tokens == 2


@pytest.mark.parametrize("kind", ["reward", "image"])
def test_an_adapter_of_another_kind_is_refused(host, tiny, make_adapter, kind):
    make_adapter("other", tiny, kind=kind)
    with pytest.raises(BadInput, match=f"of kind {kind}"):
        host.generate(QUESTION, SEEDED, tiny, "other")


def test_a_pickle_is_never_opened(host, tiny, make_adapter):
    adapter = make_adapter("red", tiny)
    (adapter.path / "adapter_model.safetensors").rename(adapter.path / "adapter_model.bin")
    with pytest.raises(BadInput, match="pickle"):
        read_adapter("red")


def test_models_make_room_for_each_other(tiny, tiny_model_folder):
    (settings().models / "twin").symlink_to(tiny_model_folder)
    host = Host(budget=24 * 2**20)  # room for one
    host.generate(QUESTION, SEEDED, tiny).wait()
    host.generate(QUESTION, SEEDED, "twin").wait()
    assert [model.name for model in host.loaded()] == ["twin"]
    host.unload()


def test_a_model_that_cannot_fit_is_refused_in_words(tiny):
    with pytest.raises(Failure, match="STUDIO_HOST_MEMORY_GIB"):
        Host(budget=2**20).generate(QUESTION, SEEDED, tiny)


def test_unloading_ends_requests_and_the_next_one_loads_again(host, tiny):
    stream = host.generate(QUESTION, Sampling(max_new_tokens=400, temperature=0), tiny)
    next(iter(stream))
    host.unload(tiny)
    assert stream.wait().finish_reason == "cancelled"
    assert host.loaded() == []
    assert host.generate(QUESTION, SEEDED, tiny).wait().text


def test_a_model_with_damaged_files_is_refused_in_words(host, tiny):
    broken = settings().models / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "llama"}')
    (broken / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(BadInput, match="damaged"):
        host.generate(QUESTION, SEEDED, "broken")


def test_a_model_that_fails_to_load_tells_everybody_who_waits(host, tiny, tiny_model_folder, tmp_path):
    misnamed = tmp_path / "misnamed"
    shutil.copytree(tiny_model_folder, misnamed)
    (misnamed / "config.json").write_text('{"model_type": "no such family"}')
    for stream in [host.generate(QUESTION, SEEDED, str(misnamed)) for _ in range(3)]:
        with pytest.raises(ValueError, match="no such family"):
            stream.wait(timeout=60)


def test_many_threads_asking_at_once_share_one_model(host, tiny):
    replies: list[str] = []

    def ask() -> None:
        replies.append(host.generate(QUESTION, SEEDED, tiny).wait().text)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8 and len(set(replies)) == 1
    assert len(host.loaded()) == 1


def test_busy_counts_requests_in_progress(host, tiny):
    stream = host.generate(QUESTION, Sampling(max_new_tokens=400, temperature=0), tiny)
    next(iter(stream))
    assert host.loaded()[0].busy == 1
    stream.cancel()
    stream.wait()
    deadline = time.monotonic() + 5
    while host.loaded()[0].busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert host.loaded()[0].busy == 0
