"""Grids: the right pictures in the right cells, labels, the recipe inside, and nothing left in the store."""

import numpy as np
import pytest

from engine.diffusion.drawing import DrawRequest
from engine.diffusion.grids import Axis, Grid, cells, combinations, draw_grid, read_grid, write_grid
from engine.diffusion.host import PictureHost
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.errors import BadInput
from engine.models.host import Host
from engine.settings import settings
from tests.picture_models import UNET, make_lora


def pixels(image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture
def host():
    memory = Host(2**30)
    host = PictureHost(memory)
    yield host
    host.unload()
    memory.unload()


@pytest.fixture
def recipe(pictures, tiny_picture_folder):
    make_lora("red", tiny_picture_folder, seed=1)
    make_lora("blue", tiny_picture_folder, seed=2, rank=2, unet=UNET[:2], text=())
    loras = [LoraWeight(name="red", weight=0.7), LoraWeight(name="blue", weight=-0.5)]
    return Recipe(prompt="a red apple", steps=2, model=pictures, loras=loras)


def test_all_combinations_over_seeds(host, recipe, tmp_path):
    before = sorted(settings().lora_store.iterdir())
    grid = Grid(
        recipe=recipe,
        x=Axis(setting="combination", values=list(combinations(recipe.loras))),
        y=Axis(setting="seed", values=[3, 4]),
    )
    assert grid.x.values[:4] == ["base", "alone:red", "alone:blue", "live"] and "merged:cat" in grid.x.values
    seen = []
    drawn = draw_grid(grid, host, on_step=lambda done, total, at: seen.append((done, total)))
    assert drawn is not None
    sheet, made = drawn
    assert sorted(settings().lora_store.iterdir()) == before
    assert seen[0] == (0, 22) and len({done for done, _ in seen}) < 22

    # every cell is the picture that its settings draw
    columns = {value: number for number, value in enumerate(grid.x.values)}
    left = sheet.width - 11 * 136
    top = sheet.height - 2 * 136

    def cell(value: str, row: int) -> np.ndarray:
        x, y = left + columns[value] * 136, top + row * 136
        return pixels(sheet.crop((x, y, x + 128, y + 128)))[::2, ::2]

    for row, seed in enumerate((3, 4)):
        for value, loras in (("base", []), ("alone:blue", recipe.loras[1:]), ("live", recipe.loras)):
            alone = host.draw(DrawRequest(recipe.model_copy(update={"seed": seed, "loras": loras}))).result()[0]
            assert (cell(value, row) == pixels(alone.image)).all(), value
        assert np.abs(cell("merged:cat", row) - cell("live", row)).max() <= 1
        # ranks differ, so the methods that mix matrices are grey, with the reason
        assert (cell("merged:linear", row) == 200).all()
        assert "equal ranks" in str(made.left_out[f"{row},{columns['merged:linear']}"])

    write_grid(sheet, made, tmp_path / "grid.png")
    again = read_grid(tmp_path / "grid.png")
    assert again == made and len(again.recipe.loras[0].fingerprint or "") == 16 and again.recipe.model_fingerprint


def test_weights_and_other_settings_as_axes(recipe):
    one = Grid(
        recipe=recipe,
        x=Axis(setting="weight", values=[0, 1.5], lora="red"),
        y=Axis(setting="combination", values=["live"]),
    )
    assert [request.recipe.loras[0].weight for request in cells(one)[0]] == [0, 1.5]
    assert [request.recipe.loras[1].weight for request in cells(one)[0]] == [-0.5, -0.5]
    every = Grid(
        recipe=recipe, x=Axis(setting="weight", values=[0.2]), y=Axis(setting="combination", values=["alone:blue"])
    )
    assert [lora.weight for lora in cells(every)[0][0].recipe.loras] == [0.2]
    plain = Grid(
        recipe=recipe, x=Axis(setting="prompt", values=["a", 2]), y=Axis(setting="scheduler", values=["euler", "lcm"])
    )
    asked = cells(plain)
    assert [[(r.recipe.prompt, r.recipe.scheduler) for r in row] for row in asked] == [
        [("a", "euler"), ("2", "euler")],
        [("a", "lcm"), ("2", "lcm")],
    ]


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ({"setting": "steps", "values": [0]}, "steps must be at least 1"),
        ({"setting": "scheduler", "values": ["fast"]}, "scheduler cannot be fast"),
        ({"setting": "combination", "values": ["alone:green"]}, "“alone:green” is no combination"),
        ({"setting": "weight", "values": [1], "lora": "green"}, "“green” cannot vary"),
        ({"setting": "seed", "values": list(range(60))}, "at most"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(recipe, axis, words):
    y = Axis(setting="steps", values=list(range(1, 7))) if axis["setting"] == "seed" else None
    with pytest.raises(BadInput, match=words):
        cells(Grid(recipe=recipe, x=Axis(**axis), y=y))


def test_a_grid_can_be_cancelled(host, recipe):
    grid = Grid(recipe=recipe.model_copy(update={"loras": []}), x=Axis(setting="seed", values=[1, 2, 3]))
    steps = []
    assert draw_grid(grid, host, on_step=lambda *at: steps.append(at), cancelled=lambda: len(steps) >= 3) is None
    assert len(steps) <= 5


def test_a_picture_that_is_no_grid_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(BadInput, match=r"no grid's recipe in x\.png"):
        read_grid(tmp_path / "x.png")
