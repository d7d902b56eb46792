"""The Draw page with a tiny real pipeline: draws, cancels, judges, restores; nothing typed is lost."""

import time
from io import BytesIO

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.diffusion import gallery
from engine.diffusion.png import png_bytes, read_recipe
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.feedback import pictures as judgements
from pages.shared.picture_host import works
from tests.pages.opening import open_page

PAGE = "pages/image/draw.py"


def _draw_page(**more) -> AppTest:
    return open_page(PAGE, **more)


def _finish(app: AppTest, name: str = "Ann") -> AppTest:
    """Wait for the drawing, and look at the page again."""
    work = works().of(name)
    assert work is not None and work.wait(60)
    app.run()
    assert not app.exception, app.exception
    return app


def _click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return app


def _texts(app: AppTest) -> str:
    return "\n".join(
        str(element.value) for kind in (app.markdown, app.caption, app.error, app.warning) for element in kind
    )


@pytest.fixture
def drawn(pictures):
    """The page after one picture was drawn."""
    app = _draw_page()
    app.text_area(key="draw.prompt").set_value("a red apple, noto").run()
    app.number_input(key="draw.seed").set_value(7).run()
    app.slider(key="draw.steps").set_value(3).run()
    return _finish(_click(app, "draw.go"))


def test_one_click_draws_an_example(pictures):
    app = _draw_page()
    _finish(_click(app, "draw.example"))
    [picture] = gallery.find()
    assert (picture.recipe.prompt, picture.person) == ("red apple, fluent 3d", "Ann")
    assert app.session_state["draw.shown"] == [picture.id]


def test_a_drawing_follows_the_form(drawn):
    [picture] = gallery.find(person="Ann")
    recipe = picture.recipe
    assert (recipe.prompt, recipe.seed, recipe.steps, recipe.model) == ("a red apple, noto", 7, 3, "tiny-pictures")
    assert (recipe.width, recipe.height, recipe.scheduler) == (64, 64, "ddim")
    assert "How it was made" in [expander.label for expander in drawn.expander]
    assert "seed 7" in _texts(drawn)


def test_the_same_seed_again_is_the_same_picture(drawn):
    _click(drawn, "draw.same")
    _finish(_click(drawn, "draw.go"))
    first, second = gallery.find()
    assert first.id != second.id
    assert gallery.image_of(first).tobytes() == gallery.image_of(second).tobytes()


def test_draw_again_from_the_card(drawn):
    [before] = gallery.find()
    drawn.text_area(key="draw.prompt").set_value("something else").run()
    _finish(_click(drawn, f"draw.again.{before.id}"))
    after = gallery.find()[0]
    assert gallery.image_of(after).tobytes() == gallery.image_of(before).tobytes()
    assert drawn.text_area(key="draw.prompt").value == "a red apple, noto"


def test_restoring_from_a_png_fills_the_form(pictures, drawn):
    [picture] = gallery.find()
    content = picture.file.read_bytes()
    gallery.delete(picture.id)
    fresh = _draw_page(name="Bo")
    fresh.file_uploader(key="draw.restore.0").upload("it.png", content, "image/png").run()
    assert not fresh.exception, fresh.exception
    assert fresh.text_area(key="draw.prompt").value == "a red apple, noto"
    assert fresh.number_input(key="draw.seed").value == 7
    _finish(_click(fresh, "draw.go"), "Bo")
    [again] = gallery.find(person="Bo")
    with Image.open(BytesIO(content)) as image:
        assert gallery.image_of(again).tobytes() == image.tobytes()


def test_restoring_from_a_png_takes_the_last_result_away(drawn):
    content = png_bytes(Image.new("RGB", (8, 8)), Recipe(prompt="a cat"))
    drawn.file_uploader(key="draw.restore.0").upload("it.png", content, "image/png").run()
    assert drawn.text_area(key="draw.prompt").value == "a cat"
    assert drawn.session_state["draw.shown"] == []
    assert "How it was made" not in [expander.label for expander in drawn.expander]


def test_a_png_that_says_nothing_is_one_clear_sentence(pictures):
    app = _draw_page()
    app.file_uploader(key="draw.restore.0").upload("it.png", png_bytes(Image.new("RGB", (8, 8))), "image/png").run()
    assert not app.exception
    assert "does not say what it was made with" in _texts(app)


def test_thumbs_and_choices_reach_the_feedback_store(pictures):
    app = _draw_page()
    app.text_area(key="draw.prompt").set_value("a cat").run()
    app.slider(key="draw.steps").set_value(2).run()
    app.number_input(key="draw.count").set_value(2).run()
    _finish(_click(app, "draw.go"))
    a, b = (gallery.get(one) for one in app.session_state["draw.shown"])
    assert b.recipe.seed == a.recipe.seed + 1
    app.feedback(key=f"draw.thumbs.{a.id}").set_value(1).run()
    assert judgements.judgement_of(a, "Ann") == "good"
    _click(app, f"draw.choice.b.{a.id}")
    from sqlalchemy import select

    from engine.database import session

    row = judgements.PictureFeedbackRow
    with session() as db:
        assert list(db.scalars(select(row.winner).where(row.kind == "comparison"))) == ["b"]


def test_a_picture_becomes_the_source_of_the_next(drawn):
    [picture] = gallery.find()
    _click(drawn, f"draw.img2img.{picture.id}")
    assert drawn.session_state["draw.mode"] == "img2img"
    drawn.slider(key="draw.strength").set_value(0.8).run()
    _finish(_click(drawn, "draw.go"))
    after = gallery.find()[0]
    assert (after.recipe.mode, after.recipe.strength) == ("img2img", 0.8)
    source = gallery.source_of(after.recipe)
    assert source is not None and source.tobytes() == gallery.image_of(picture).tobytes()


def test_repainting_without_a_mask_is_refused_and_with_one_keeps_the_rest(drawn):
    [picture] = gallery.find()
    _click(drawn, f"draw.inpaint.{picture.id}")
    _click(drawn, "draw.go")
    assert "There is no mask" in _texts(drawn)
    mask = Image.new("L", (64, 64))
    mask.paste(255, (0, 0, 32, 64))
    drawn.session_state["draw.mask"] = gallery.keep_source(mask)
    drawn.run()
    _finish(_click(drawn, "draw.go"))
    after = gallery.image_of(gallery.find()[0])
    before = gallery.image_of(picture)
    right, left = (32, 0, 64, 64), (0, 0, 32, 64)
    assert after.crop(right).tobytes() == before.crop(right).tobytes()
    assert after.crop(left).tobytes() != before.crop(left).tobytes()


@pytest.mark.parametrize("lost", ["source", "mask"])
def test_what_is_not_kept_any_more_is_chosen_anew(pictures, lost):
    kept = gallery.keep_source(Image.new("L", (64, 64), 255))
    recipe = Recipe(mode="inpaint", prompt="a cat", source=kept, mask=kept).model_copy(update={lost: "0" * 64})
    app = _draw_page()
    content = png_bytes(Image.new("RGB", (64, 64)), recipe)
    app.file_uploader(key="draw.restore.0").upload("it.png", content, "image/png").run()
    assert not app.exception, app.exception
    [error] = app.error
    assert ("The mask" if lost == "mask" else "The picture") in error.value
    assert app.file_uploader(key=f"draw.{'mask' if lost == 'mask' else 'source'}.file.0")
    app.run()
    assert not app.error


def test_what_the_browser_sends_as_a_mask_is_bounded(drawn):
    import base64

    [picture] = gallery.find()
    _click(drawn, f"draw.inpaint.{picture.id}")
    for content in (b"no picture", png_bytes(Image.new("RGBA", (9000, 9), "red"))):
        drawn.session_state["draw.painted"] = base64.b64encode(content).decode()
        _click(drawn, "draw.go")
        assert "There is no mask" in _texts(drawn)
    assert gallery.count() == 1


def test_a_painted_mask_survives_a_new_session(drawn):
    import base64

    [picture] = gallery.find()
    _click(drawn, f"draw.inpaint.{picture.id}")
    strokes = Image.new("RGBA", (300, 300))
    strokes.paste((220, 38, 38, 153), (0, 0, 150, 300))
    drawn.session_state["draw.painted"] = base64.b64encode(png_bytes(strokes)).decode()
    drawn.run()
    again = _draw_page()
    _finish(_click(again, "draw.go"))
    mask = gallery.mask_of(gallery.find()[0].recipe)
    assert mask is not None and mask.getbbox() == (0, 0, 32, 64)


def test_cancel_stops_at_once(pictures):
    app = _draw_page()
    app.text_area(key="draw.prompt").set_value("a cat").run()
    app.slider(key="draw.steps").set_value(150).run()
    app.number_input(key="draw.count").set_value(20).run()
    _click(app, "draw.go")
    work = works().of("Ann")
    assert work is not None and not work.ended
    clicked = time.monotonic()
    _click(app, "draw.cancel")
    assert work.wait(30)
    assert time.monotonic() - clicked < 30
    assert gallery.count() < 20


def test_loras_take_part_with_their_weights(pictures, tiny_picture_folder):
    from engine.adapters.store import edit_card
    from tests.picture_models import make_lora

    make_lora("apples", tiny_picture_folder)
    edit_card("apples", trigger_words="zwx apple", default_weight=0.5)
    app = open_page(PAGE, state={"draw.loras": ["apples"]})
    assert app.slider(key="draw.lora.apples.weight").value == 0.5
    app.slider(key="draw.lora.apples.weight").set_value(-0.5).run()
    assert _draw_page().slider(key="draw.lora.apples.weight").value == -0.5, "the draft has it at once"
    app.number_input(key="draw.lora.apples.up").set_value(0.2).run()
    _click(app, "draw.lora.apples.insert")
    assert app.text_area(key="draw.prompt").value == "zwx apple"
    app.slider(key="draw.steps").set_value(2).run()
    _finish(_click(app, "draw.go"))
    [lora] = gallery.find()[0].recipe.loras
    assert (lora.name, lora.weight, lora.blocks) == ("apples", -0.5, {"up": 0.2})
    again = _draw_page()
    _click(again, "draw.lora.apples.remove")
    assert again.session_state["draw.adapters"] == []


def test_a_lora_is_added_once(pictures, tiny_picture_folder):
    from tests.picture_models import make_lora

    for name in ("apples", "pears"):
        make_lora(name, tiny_picture_folder)
    app = _draw_page()
    app.selectbox(key="draw.add_lora.0").set_value("apples").run()
    box = app.selectbox(key="draw.add_lora.1")
    assert box.value is None and box.options == ["pears"]
    app.session_state["draw.adapters"] = [{"name": name, "weight": 1.0, "blocks": {}} for name in ("apples", "pears")]
    box.set_value("pears").run()
    assert not app.exception, app.exception
    assert [one["name"] for one in app.session_state["draw.adapters"]] == ["apples", "pears"]


def test_what_was_typed_survives_a_new_session(pictures):
    app = _draw_page()
    app.text_area(key="draw.prompt").set_value("half-typed").run()
    app.text_input(key="draw.idea").set_value("an idea").run()
    app.slider(key="draw.steps").set_value(9).run()
    again = _draw_page()
    assert again.text_area(key="draw.prompt").value == "half-typed"
    assert again.text_input(key="draw.idea").value == "an idea"
    assert again.slider(key="draw.steps").value == 9


def test_an_idea_goes_once_the_prompt_is_typed_by_hand(pictures):
    app = _draw_page()
    facts = {"mapping": [], "unknown": [], "why": None, "added_triggers": [], "drawable": True}
    app.session_state["draw.written"] = {"prompt": "a cat", "idea": "猫", "model": "m", "seed": 4, **facts}
    app.text_area(key="draw.prompt").set_value("a cat").run()
    assert "Written by m, seed 4" in _texts(app)
    app.slider(key="draw.steps").set_value(1).run()
    _finish(_click(app, "draw.go"))
    app.text_area(key="draw.prompt").set_value("a dog").run()
    assert "Written by" not in _texts(app)
    _finish(_click(app, "draw.go"))
    assert [picture.recipe.idea for picture in gallery.find()] == [None, "猫"]


def test_the_prompt_is_called_as_everywhere_in_chinese(pictures):
    assert open_page(PAGE, language="zh").text_area(key="draw.prompt").label == "提示词"


def test_a_size_is_shown_as_it_is_drawn(pictures):
    app = _draw_page()
    app.number_input(key="draw.width").set_value(100).run()
    assert app.number_input(key="draw.width").value == 104


def test_tokens_are_counted(pictures):
    app = _draw_page()
    assert "tokens" not in _texts(app), "there is nothing to count"
    app.text_area(key="draw.prompt").set_value("a red apple " * 20).run()
    assert "of 16 tokens" in _texts(app)
    assert "beyond the limit" in _texts(app)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_gallery_finds_pages_and_deletes(pictures, language):
    from engine.diffusion.drawing import Drawing

    for number in range(30):
        recipe = Recipe(prompt=f"thing {number} <b>*x*</b>", loras=[LoraWeight(name="gone", weight=2, fingerprint="x")])
        gallery.add(Drawing(Image.new("RGB", (64, 64), (number, 0, 0)), recipe), "Ann")
    app = open_page(PAGE, language=language, state={"draw.view": "gallery"})
    opened = [button.key for button in app.button if str(button.key).startswith("gallery.open.")]
    assert len(opened) == 24
    app.text_input(key="gallery.search").set_value("thing 29").run()
    [key] = [str(button.key) for button in app.button if str(button.key).startswith("gallery.open.")]
    _click(app, key)
    picture = key.removeprefix("gallery.open.")
    _click(app, f"picture.restore.{picture}")
    assert app.session_state["draw.prompt"] == "thing 29 <b>*x*</b>"
    assert app.session_state["draw.view"] == "draw"


def test_favourites_are_starred_and_found(pictures):
    from engine.diffusion.drawing import Drawing

    liked, other, theirs = (
        gallery.add(Drawing(Image.new("RGB", (64, 64)), Recipe()), who) for who in ("Ann", "Ann", "Bo")
    )
    app = open_page(PAGE, state={"draw.view": "gallery", "gallery.everyone": True})
    assert app.button(key=f"gallery.star.{theirs.id}").disabled
    _click(app, f"gallery.star.{liked.id}")
    assert [app.button(key=f"gallery.star.{one.id}").label for one in (liked, other)] == ["★", "☆"]
    app.toggle(key="gallery.favourites").set_value(True).run()
    assert [button.key for button in app.button if str(button.key).startswith("gallery.open.")] == [
        f"gallery.open.{liked.id}"
    ]
    _click(app, f"gallery.star.{liked.id}")
    assert "No picture matches." in _texts(app)


def test_without_the_model_the_page_says_so(studio_home, monkeypatch):
    from engine.diffusion import catalog
    from engine.settings import settings

    monkeypatch.setattr(catalog, "STARTER_FOLDER", studio_home / "gone")
    monkeypatch.setenv("STUDIO_PICTURE_MODEL", "nothing-here")
    settings.cache_clear()
    (settings().models / "zz-small").unlink()
    app = _draw_page()
    app.text_area(key="draw.prompt").set_value("a cat").run()
    _finish(_click(app, "draw.go"))
    assert "There is no picture model" in _texts(app)


def test_the_recipe_in_the_file_is_the_drawings(drawn):
    [picture] = gallery.find()
    assert read_recipe(picture.file) == picture.recipe


def test_a_failed_drawing_is_told_once_and_not_to_later_sessions(pictures, tiny_picture_folder):
    from engine.adapters.store import delete_adapter
    from tests.picture_models import make_lora

    make_lora("apples", tiny_picture_folder)
    app = open_page(PAGE, state={"draw.loras": ["apples"]})
    app.text_area(key="draw.prompt").set_value("a cat").run()
    delete_adapter("apples")
    _finish(_click(app, "draw.go"))
    assert "There is no adapter" in _texts(app)
    assert "There is no adapter" not in _texts(_draw_page())


def test_without_a_source_nothing_is_begun(pictures):
    app = _draw_page()
    app.text_area(key="draw.prompt").set_value("a cat").run()
    app.segmented_control(key="draw.mode").set_value("img2img").run()
    _click(app, "draw.go")
    assert "There is no picture to start from" in _texts(app)
