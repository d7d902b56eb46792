"""The host of picture models: drawing for several people, cancelling, memory shared with chat models, adapters switched live."""

import threading
import time

import numpy as np
import pytest

from engine.adapters.store import delete_adapter
from engine.diffusion.catalog import fingerprint, resolve
from engine.diffusion.drawing import DrawRequest, draw
from engine.diffusion.host import PictureHost
from engine.diffusion.pipelines import load
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput, Failure
from engine.models.host import Host
from engine.models.request import Sampling
from engine.settings import settings
from tests.picture_models import make_lora


def pixels(image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def same(a, b) -> bool:
    return bool((pixels(a) == pixels(b)).all())


@pytest.fixture
def memory():
    host = Host(2**30)
    yield host
    host.unload()


@pytest.fixture
def host(memory):
    host = PictureHost(memory)
    yield host
    host.unload()


@pytest.fixture
def recipe(pictures):
    return Recipe(prompt="a red apple", steps=3, seed=5, model=pictures)


def test_the_host_draws_what_draw_draws_with_a_complete_recipe(host, recipe, tiny_picture_folder):
    make_lora("red", tiny_picture_folder)
    with_lora = recipe.model_copy(update={"loras": [LoraWeight(name="red", weight=0.5)]})
    stream = host.draw(DrawRequest(with_lora, count=2))
    steps = [progress.step for progress in stream]
    drawn = stream.result()
    assert steps == [1, 2, 3, 4, 5, 6] and [one.recipe.seed for one in drawn] == [5, 6]
    for one in drawn:
        assert one.recipe.model_fingerprint == fingerprint(resolve("tiny-pictures"))
        assert len(one.recipe.loras[0].fingerprint or "") == 16
        assert same(host.draw(DrawRequest(one.recipe)).result()[0].image, one.image)
    (base,) = host.draw(DrawRequest(recipe)).result()
    assert not same(base.image, drawn[0].image)
    (alone,) = draw(load(resolve(recipe.model)), DrawRequest(recipe))
    assert same(base.image, alone.image), "without adapters the base draws, to the bit"
    assert host.loaded()[0].adapters == ["red"] and host.loaded()[0].dtype == "float32"


def test_cancelled_while_drawn_and_while_waiting(host, recipe):
    long = host.draw(DrawRequest(recipe.model_copy(update={"steps": 400})))
    next(iter(long))
    waiting = host.draw(DrawRequest(recipe))
    waiting.cancel()
    assert waiting.result(timeout=0.1) == [] and not long.ended, "a waiting request ends at once"
    long.cancel()
    assert long.result(timeout=5) == []
    assert len(host.draw(DrawRequest(recipe)).result()) == 1
    deadline = time.monotonic() + 5
    while host.loaded()[0].busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert host.loaded()[0].busy == 0


def test_people_who_draw_at_once_get_their_own_pictures(host, recipe, tiny_picture_folder):
    make_lora("red", tiny_picture_folder, seed=1)
    make_lora("blue", tiny_picture_folder, seed=2)
    wanted = [recipe.model_copy(update={"loras": [LoraWeight(name=n)] if n else []}) for n in ("red", None, "blue")]
    alone = [host.draw(DrawRequest(one)).result()[0].image for one in wanted]
    found: dict[int, object] = {}

    def ask(i: int) -> None:
        found[i] = host.draw(DrawRequest(wanted[i % 3])).result()[0].image

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(found[i], alone[i % 3]) for i in range(6))


def test_chat_and_picture_models_make_room_for_each_other(recipe, tiny):
    memory = Host(24 * 2**20)  # room for the chat model, or for the pictures' beside nothing
    pictures = PictureHost(memory)
    question = [{"role": "user", "content": "Hello"}]
    try:
        memory.generate(question, Sampling(max_new_tokens=2), tiny).wait()
        memory._budget = memory._owners[tiny].bytes + 1000
        assert len(pictures.draw(DrawRequest(recipe)).result()) == 1
        assert memory.loaded() == [] and len(pictures.loaded()) == 1
        memory.generate(question, Sampling(max_new_tokens=2), tiny).wait()
        assert pictures.loaded() == [] and len(memory.loaded()) == 1
        assert len(pictures.draw(DrawRequest(recipe)).result()) == 1, "it comes back when it is asked for"
    finally:
        pictures.unload()
        memory.unload()


def test_a_busy_model_is_not_driven_out(recipe, tiny):
    memory = Host(2 * 2**20)  # the chat model takes ten times as much
    pictures = PictureHost(memory)
    try:
        stream = pictures.draw(DrawRequest(recipe.model_copy(update={"steps": 300})))
        next(iter(stream))
        with pytest.raises(Failure, match="STUDIO_HOST_MEMORY_GIB"):
            memory.generate([{"role": "user", "content": "Hello"}], Sampling(max_new_tokens=2), tiny)
        stream.cancel()
    finally:
        pictures.unload()
        memory.unload()


def test_unloading_ends_what_is_drawn_and_the_next_request_loads_again(host, recipe):
    stream = host.draw(DrawRequest(recipe.model_copy(update={"steps": 400})))
    next(iter(stream))
    host.unload()
    assert stream.result(timeout=5) == [] and host.loaded() == []
    assert len(host.draw(DrawRequest(recipe)).result()) == 1


def test_a_model_that_fails_to_load_tells_everybody_who_waits(host, recipe, tiny_picture_folder, tmp_path):
    import shutil

    broken = settings().models / "broken"
    shutil.copytree(tiny_picture_folder, broken)
    weights = next((broken / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(BadInput, match="damaged"):
        host.draw(DrawRequest(recipe.model_copy(update={"model": "broken"})))
    shutil.copytree(tiny_picture_folder, settings().models / "odd")
    (settings().models / "odd" / "tokenizer" / "tokenizer_config.json").unlink()
    (settings().models / "odd" / "scheduler" / "scheduler_config.json").write_text("{")
    streams = [host.draw(DrawRequest(recipe.model_copy(update={"model": "odd"}))) for _ in range(2)]
    for stream in streams:
        with pytest.raises(Exception, match="scheduler"):
            stream.result(timeout=60)


def test_an_adapter_trained_anew_under_its_name_is_loaded_anew(host, recipe, tiny_picture_folder):
    with_lora = recipe.model_copy(update={"loras": [LoraWeight(name="red")]})
    make_lora("red", tiny_picture_folder, seed=1)
    old = host.draw(DrawRequest(with_lora)).result()[0]
    delete_adapter("red")
    make_lora("red", tiny_picture_folder, seed=2)
    new = host.draw(DrawRequest(old.recipe)).result()[0]
    assert not same(old.image, new.image)
    assert old.recipe.loras[0].fingerprint != new.recipe.loras[0].fingerprint
