"""The Draw page in a real browser: a Chinese idea becomes a prompt, a picture, a repainted one; a PNG gives the picture again."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from engine.diffusion import gallery
from tests.e2e.conftest import MINUTES

pytestmark = pytest.mark.browser


def _draw(ann, expected: int) -> None:
    ann.widget("draw.go").get_by_role("button").click()
    ann.page.wait_for_timeout(3000)
    expect(ann.widget("draw.go").get_by_role("button")).to_be_enabled(timeout=4 * MINUTES)
    ann.settle()
    assert gallery.count() == expected


def _paint(ann) -> None:
    """A thick stroke over the left half."""
    canvas = ann.page.locator("canvas").last
    canvas.scroll_into_view_if_needed()
    ann.page.wait_for_timeout(1500)
    box = canvas.bounding_box()
    assert box
    x, y = box["x"], box["y"]
    ann.page.mouse.move(x + 40, y + 40)
    ann.page.mouse.down()
    for to in ((40, 260), (70, 40), (70, 260)):
        ann.page.mouse.move(x + to[0], y + to[1], steps=8)
    ann.page.mouse.up()
    ann.settle()


def test_from_a_chinese_idea_to_the_same_picture_again(starter, person):
    ann = person()
    ann.open("draw")
    idea = ann.widget("draw.idea").get_by_role("textbox")
    idea.fill("红色的苹果，立体")
    idea.press("Enter")
    ann.settle()
    ann.widget("draw.write").get_by_role("button").click()
    expect(ann.page.get_by_text("苹果 →")).to_be_visible(timeout=4 * MINUTES)
    ann.settle()
    prompt = ann.widget("draw.prompt").get_by_role("textbox").input_value()
    assert "apple" in prompt
    expect(ann.page.get_by_text("tokens")).to_be_visible()
    _draw(ann, 1)
    [first] = gallery.find()
    assert (first.recipe.prompt, first.recipe.idea) == (prompt, "红色的苹果，立体")

    ann.widget(f"draw.inpaint.{first.id}").get_by_role("button").click()
    ann.settle()
    _paint(ann)
    ann.open("draw")  # a reload loses no stroke
    _draw(ann, 2)
    second = gallery.find()[0]
    mask = gallery.mask_of(second.recipe)
    assert second.recipe.mode == "inpaint" and mask is not None
    before, after = (gallery.image_of(picture).convert("RGB") for picture in (first, second))
    kept = mask.convert("L").point(lambda grey: 255 * (grey == 0))
    left, right = mask.crop((0, 0, 32, 64)).getbbox(), mask.crop((48, 0, 64, 64)).getbbox()
    assert left and not right, "what was painted is what is marked"
    black = Image.new("RGB", before.size)
    same = [Image.composite(image, black, kept).tobytes() for image in (before, after)]
    assert same[0] == same[1], "the rest stays to the bit"
    assert before.tobytes() != after.tobytes()

    ann.page.get_by_text("Gallery", exact=True).click()
    ann.settle()
    expect(ann.keyed("gallery-open-")).to_have_count(2)
    ann.widget(f"gallery.open.{second.id}").get_by_role("button").click()
    with ann.page.expect_download() as downloading:
        ann.widget(f"picture.download.{second.id}").get_by_role("button").click()
    content = downloading.value.path().read_bytes()

    bo = person("Bo")
    bo.open("draw")
    bo.page.get_by_role("button", name="Restore from a PNG").click()
    bo.page.locator('input[type="file"]').set_input_files(
        {"name": "it.png", "mimeType": "image/png", "buffer": content}
    )
    expect(bo.widget("draw.prompt").get_by_role("textbox")).to_have_value(prompt)
    bo.settle()
    bo.page.keyboard.press("Escape")
    _draw(bo, 3)
    again = gallery.find()[0]
    with Image.open(io.BytesIO(content)) as image:
        assert gallery.image_of(again).tobytes() == image.tobytes()
    assert (again.person, again.recipe.mask) == ("Bo", second.recipe.mask)
