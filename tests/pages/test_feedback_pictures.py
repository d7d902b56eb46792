"""The Feedback page shows what people think of pictures, beside what they think of replies."""

from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.diffusion import gallery
from engine.diffusion.drawing import Drawing
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.feedback import pictures
from engine.settings import ROOT

HOSTILE = "<b>鲸鱼</b> ![x](http://evil.example/x.png) **loud**"


def _page() -> AppTest:
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params["as"] = "Ann"
    app.run()
    return app.switch_page("pages/chat/feedback.py").run()


def _said(app: AppTest) -> str:
    return "\n".join(each.value for each in [*app.markdown, *app.caption])


def test_pictures_have_a_tab_as_soon_as_one_was_judged(studio_home):
    app = _page()
    assert not app.exception and not app.tabs
    colours = ("red", "blue")
    recipes = [Recipe(prompt=HOSTILE), Recipe(prompt="a whale", loras=[LoraWeight(name="zorp", weight=-0.5)])]
    kept = [
        gallery.add(Drawing(Image.new("RGB", (64, 64), colour), recipe), "Ann")
        for colour, recipe in zip(colours, recipes, strict=True)
    ]
    pictures.judge(kept[0], "Ann", "good")
    pictures.compare(kept[0], kept[1], "b", "a", "Bo")
    app = _page()
    assert [tab.label for tab in app.tabs][-1] == "Pictures"
    app.session_state["feedback.tabs"] = "Pictures"
    app.run()
    assert not app.exception
    said = _said(app)
    assert "zorp" in said and "B is better" in said and "\\<b\\>" in said and "![x]" not in said
    assert len(app.get("image")) == 3
    gallery.delete(kept[0].id)
    app.run()
    assert not app.exception
    assert len(app.get("image")) == 1 and "not in the gallery any more" in _said(app)
