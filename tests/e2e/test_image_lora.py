"""Teaching a picture model two things, drawing them, combining both live, merging them to a file that draws the same, and the grid."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from engine.adapters.store import read_adapter
from engine.diffusion import gallery
from engine.diffusion.grids import read_grid
from engine.runs import list_runs
from engine.runs.picture_samples import picture_steps
from engine.settings import settings
from engine.training.dreambooth_sample import sample_subject
from tests.e2e.conftest import MINUTES

pytestmark = pytest.mark.browser

STEPS = 30


def _stars(folder: Path) -> list[Path]:
    """Another thing: a striped ball on five grounds."""
    folder.mkdir()
    files = []
    for number, ground in enumerate(("white", "#cde", "#edc", "#dec", "#ddd")):
        picture = Image.new("RGB", (200, 160), ground)
        pen = ImageDraw.Draw(picture)
        left = 30 + 12 * number
        pen.ellipse((left, 30, left + 100, 130), fill="crimson", outline="black", width=4)
        pen.rectangle((left + 6, 70, left + 94, 90), fill="gold")
        files.append(folder / f"ball-{number}.png")
        picture.save(files[-1])
    return files


def _fill(ann, label: str, words: str) -> None:
    box = ann.page.get_by_label(label, exact=True).locator("visible=true").first
    box.fill(words)
    box.press("Enter")
    ann.settle()


def _pick(ann, label: str, name: str) -> None:
    """Choose an option; a page that is just being drawn closes the list, which is then opened once more."""
    option = ann.page.get_by_role("option", name=name, exact=True)
    for _ in range(5):
        ann.page.get_by_role("combobox", name=label).click()
        ann.page.wait_for_timeout(1500)
        if option.count():
            break
        ann.page.keyboard.press("Escape")
    option.click()
    ann.settle()


def _teach(ann, files: list[Path], prompt: str, name: str) -> None:
    """Upload, train, and wait for the end on the page of runs."""
    page = ann.page
    ann.open("image-lora")
    if ann.widget("image.teach.clear").count():
        ann.widget("image.teach.clear").get_by_role("button").click()
        ann.settle()
    page.locator('input[type="file"]').first.set_input_files(files)
    expect(ann.keyed("image-teach-card-")).to_have_count(len(files))
    ann.settle()
    _fill(ann, "Prompt that means it", prompt)
    _fill(ann, "Name of the adapter", name)
    _fill(ann, "Max steps", str(STEPS))
    expect(page.get_by_text("python -m engine train dreambooth")).to_be_visible()
    ann.widget("image.teach.start").get_by_role("button").click()
    expect(ann.widget("run.draw")).to_be_visible(timeout=4 * MINUTES)
    ann.settle()


def _draw(ann) -> gallery.Picture:
    """Press Draw, and wait for the picture."""
    before = gallery.count()
    ann.widget("draw.go").get_by_role("button").click()
    deadline = time.monotonic() + 4 * 60
    while gallery.count() == before and time.monotonic() < deadline:
        ann.page.wait_for_timeout(300)
    assert gallery.count() == before + 1, ann.page.get_by_test_id("stAlert").all_inner_texts()
    expect(ann.widget("draw.go").get_by_role("button")).to_be_enabled()
    ann.settle()
    return gallery.find()[0]


def _apart(a: gallery.Picture, b: gallery.Picture) -> int:
    """Largest difference of a value of 255."""
    one, other = (np.asarray(gallery.image_of(picture).convert("RGB"), dtype=int) for picture in (a, b))
    return int(np.abs(one - other).max())


def test_two_things_are_taught_combined_and_merged(person, tmp_path):
    ann = person()
    page = ann.page

    # teach the first; the run shows its charts and sample pictures
    _teach(ann, sample_subject(tmp_path / "robots"), "a zorp", "zorp")
    run = list_runs()[0]
    assert (run.kind, run.status().state, run.status().step) == ("dreambooth", "finished", STEPS)
    assert picture_steps(run) == [0, STEPS]
    expect(page.get_by_text("Sample pictures")).to_be_visible()
    expect(ann.widget(f"run.{run.id}.pictures").get_by_role("img")).to_have_count(2)
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    card = read_adapter("zorp", kind="image").card
    assert (card.run, card.trigger_words, card.base_model) == (run.id, "zorp", "starter")

    # draw the thing, in another style
    ann.widget("run.draw").get_by_role("button").click()
    ann.settle()
    page.get_by_label("Prompt", exact=True).fill("a zorp, noto")
    page.get_by_label("Prompt", exact=True).blur()
    ann.settle()
    ann.widget("draw.settings").get_by_text("Settings").click()
    _fill(ann, "Seed", "7")
    thing = _draw(ann)
    assert [lora.name for lora in thing.recipe.loras] == ["zorp"] and thing.recipe.seed == 7

    # teach the second, and draw with both
    _teach(ann, _stars(tmp_path / "balls"), "a blick", "blick")
    ann.click_nav("Image LoRA")
    page.get_by_role("tab", name="Library").click()
    ann.settle()
    expect(ann.keyed("image-card-")).to_have_count(2)
    ann.widget("image.draw.zorp").get_by_role("button").click()
    ann.settle()
    _pick(ann, "Add a LoRA", "blick")
    both = _draw(ann)
    assert [lora.name for lora in both.recipe.loras] == ["zorp", "blick"]
    assert (both.recipe.seed, both.recipe.prompt) == (7, "a zorp, noto")
    assert _apart(both, thing) > 10

    # merge both: the file draws the same picture
    ann.click_nav("Image LoRA")
    page.get_by_role("tab", name="Combine and merge").click()
    ann.settle()
    for name in ("zorp", "blick"):
        _pick(ann, "Adapters to merge", name)
    page.keyboard.press("Escape")
    ann.widget("image.merge.do").get_by_role("button").click()
    expect(page.get_by_text("It does what the adapters do together, but for rounding.")).to_be_visible()
    ann.settle()
    merged = read_adapter("zorp-blick").card
    assert merged.spec["method"] == "cat" and merged.metrics["max_error"] < 1e-4
    ann.widget("image.merge.draw").get_by_role("button").click()
    ann.settle()
    as_one = _draw(ann)
    assert [lora.name for lora in as_one.recipe.loras] == ["zorp-blick"] and as_one.recipe.seed == 7
    assert _apart(as_one, both) <= 1

    # the grid opens, and is still there after a reload
    ann.click_nav("Image LoRA")
    page.get_by_role("tab", name="Grid").click()
    ann.settle()
    ann.widget("image.grid.do").get_by_role("button").click()
    expect(ann.widget("image.grid.result")).to_be_visible(timeout=4 * MINUTES)
    ann.settle()
    (file,) = (settings().var / "grids").glob("*.png")
    grid = read_grid(file)
    assert grid.x.values[0] == "base" and not grid.left_out
    ann.page.reload()
    ann.settle()
    page.get_by_role("tab", name="Grid").click()
    expect(ann.widget("image.grid.result").get_by_role("img").first).to_be_visible()
