"""The page Image LoRA, where sheets are drawn: with real tiny adapters on a tiny real pipeline."""

import hashlib
import time

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.diffusion import host as hosts
from engine.diffusion.grids import Axis, Grid, LeftOut, read_grid, write_grid
from engine.diffusion.recipe import Recipe
from engine.settings import settings
from tests.pages.opening import open_page
from tests.picture_models import make_lora

PAGE = "pages/image/lora.py"


@pytest.fixture
def two(pictures, tiny_picture_folder):
    """Two adapters of the default picture model; what was loaded goes afterwards."""
    for seed, name in enumerate(("red", "blue")):
        make_lora(name, tiny_picture_folder, seed=seed)
    yield
    hosts.host().unload()


def _open(language: str = "en") -> AppTest:
    return open_page(PAGE, language=language, query={"tab": "grid"})


def _draw(app: AppTest) -> None:
    app.button(key="image.grid.do").click().run()
    for _ in range(400):
        assert not app.exception, app.exception
        if app.error or app.info or (app.download_button and not app.button(key="image.grid.do").disabled):
            return
        time.sleep(0.1)
        app.run()
    raise AssertionError("it does not end")


def _sheet(app: AppTest):
    (file,) = (settings().var / "grids").glob("*.png")
    return file, read_grid(file)


def test_one_click_draws_base_each_alone_together_and_merged_over_seeds(two):
    app = _open()
    assert app.multiselect(key="grid.adapters").value == ["blue", "red"]
    app.number_input(key="grid.steps").set_value(2).run()
    app.text_input(key="grid.y.seed").set_value("3，4").run()
    _draw(app)
    file, grid = _sheet(app)
    assert grid.x.values == ["base", "alone:blue", "alone:red", "live", "merged:cat"]
    assert grid.y is not None and grid.y.values == [3, 4] and grid.recipe.steps == 2
    assert {lora.name: bool(lora.fingerprint) for lora in grid.recipe.loras} == {"blue": True, "red": True}
    with Image.open(file) as sheet:
        assert sheet.width > 5 * 128 and sheet.height > 2 * 128
    again = _open()  # a reload shows it still
    assert again.download_button(key="image.grid.download")
    assert '"alone:blue"' in again.code[-1].value


def test_weights_of_one_adapter_and_no_second_axis(two):
    app = _open()
    app.selectbox(key="grid.x").set_value("weight").run()
    app.selectbox(key="grid.x.lora").set_value("red").run()
    app.text_input(key="grid.x.weight").set_value("-1, 0.5").run()
    app.selectbox(key="grid.y").set_value("").run()
    app.number_input(key="grid.steps").set_value(1).run()
    _draw(app)
    _, grid = _sheet(app)
    assert (grid.x.lora, grid.x.values, grid.y) == ("red", [-1, 0.5], None)


@pytest.mark.parametrize(
    ("words", "reason"),
    [("1, two", "is no number"), ("", "which values"), ("5000", "at most 500"), ("1 " * 300, "values cannot")],
)
def test_values_that_are_none_are_refused_in_a_sentence(pictures, words, reason):
    app = _open()
    app.selectbox(key="grid.x").set_value("steps").run()
    app.text_input(key="grid.x.steps").set_value(words).run()
    assert [warning.value for warning in app.warning if reason in warning.value], [w.value for w in app.warning]


def test_without_an_adapter_it_begins_with_what_can_be_drawn(pictures):
    app = _open()
    assert (app.selectbox(key="grid.x").value, app.selectbox(key="grid.y").value) == ("seed", "guidance_scale")
    assert not app.warning and "Pictures: 9 of at most 256." in [caption.value for caption in app.caption]


def test_a_grid_can_be_stopped(two):
    app = _open()
    app.number_input(key="grid.steps").set_value(400).run()
    app.button(key="image.grid.do").click().run()
    app.button(key="image.grid.stop").click().run()
    for _ in range(300):
        if app.info:
            break
        time.sleep(0.1)
        app.run()
    assert app.info[0].value == "Stopped; nothing was made."
    assert not list((settings().var / "grids").glob("*.png"))


def test_it_speaks_chinese(two):
    app = _open("zh")
    labels = [widget.label for widget in [*app.text_input, *app.number_input, *app.selectbox, *app.multiselect]]
    assert labels and all(any("\u4e00" <= sign <= "\u9fff" for sign in label) for label in labels), labels


def test_why_a_field_is_grey_is_told_in_chinese_too(two):
    sentence = (
        "{method} needs equal ranks, and “{layer}” has rank {rank_a} in “{a}” and {rank_b} in “{b}”: use cat or svd."
    )
    values = {"method": "linear", "layer": "up", "rank_a": "4", "a": "red", "rank_b": "2", "b": "blue"}
    axis = Axis(setting="seed", values=[1, 2])
    grid = Grid(recipe=Recipe(), x=axis, left_out={"0,1": LeftOut(sentence=sentence, values=values)})
    file = settings().var / "grids" / f"{hashlib.sha256(b'Ann').hexdigest()[:24]}.png"
    file.parent.mkdir()
    write_grid(Image.new("RGB", (64, 64)), grid, file)
    assert str(read_grid(file).left_out["0,1"]) == sentence.format(**values)
    [said] = [caption.value for caption in _open("zh").caption if "第 1 行" in caption.value]
    assert "linear" in said and "equal ranks" not in said
