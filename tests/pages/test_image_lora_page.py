"""The page Image LoRA: the library's cards, files in and out, merging with what it costs; real tiny adapters."""

import time

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from engine.adapters.export import export
from engine.adapters.lora import Lora, Part
from engine.adapters.store import Adapter, list_adapters, read_adapter
from engine.drafts import load_draft
from engine.settings import settings
from pages.image.merge_work import Cancelled, Work
from tests.engine.adapters.merging.helpers import SIZES, deltas, difference, live, put, uniform
from tests.pages.opening import open_page

PAGE = "pages/image/lora.py"
TABS = {
    "en": {"teach": "Teach it something", "library": "Library", "merge": "Combine and merge"},
    "zh": {"teach": "教它新东西", "library": "适配器库", "merge": "组合与合并"},
}


@pytest.fixture(autouse=True)
def picture_model(studio_home, monkeypatch):
    """The pages of Draw are there where a picture model is named; these tests draw nothing."""
    monkeypatch.setenv("STUDIO_PICTURE_MODEL", "none-of-ours")
    settings.cache_clear()


def _open(tab: str, language: str = "en", **more) -> AppTest:
    return open_page(PAGE, language=language, state={"image.tabs": TABS[language][tab]}, **more)


def _texts(app: AppTest) -> str:
    kinds = (app.title, app.subheader, app.markdown, app.caption, app.info, app.success, app.warning, app.error)
    labels = [widget.label for widget in [*app.button, *app.text_input, *app.selectbox, *app.number_input]]
    return "\n".join([*(str(element.value) for kind in kinds for element in kind), *labels])


def _click(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception, app.exception


def _in_dialog(app: AppTest, opener: str, key: str) -> None:
    """A click in a dialog; a test's run is always of the whole page, which would close it."""
    app.button(key=opener).click()
    _click(app, key)


def _picture(name: str, seed: int = 1, rank: int = 4, **card) -> tuple[Adapter, Part]:
    part = uniform(seed, rank=rank)
    lora: Lora = {"unet": part}
    return put(name, lora, **{"kind": "image", "family": "sd1", "base_model": "sd15", **card}), part


# the library


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("tab", ["teach", "library", "merge"])
def test_empty_tabs_teach_in_both_languages(tab, language):
    text = _texts(_open(tab, language))
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    assert chinese > 40 if language == "zh" else chinese == 0, text


def test_a_card_says_what_it_is_and_letter_for_letter():
    _picture(
        "robot", trigger_words="<b>zorp</b> ![x](http://a)", method="dreambooth", spec={"instance_prompt": "a *zorp*"}
    )
    app = _open("library")
    text = _texts(app)
    assert "**robot**" in text and "SD 1\\.5 · rank 4, alpha 8" in text
    assert app.text_input(key="image.words.robot").value == "<b>zorp</b> ![x](http://a)"  # a field, not Markdown
    assert "a \\*zorp\\*" in text


def test_trigger_words_and_weight_are_kept_as_typed():
    _picture("robot", run="r1")
    app = _open("library")
    app.text_input(key="image.words.robot").set_value("  zorp   robot ").run()
    app.number_input(key="image.weight.robot").set_value(-0.4).run()
    assert not app.exception
    card = read_adapter("robot").card
    assert (card.trigger_words, card.default_weight, card.run) == ("zorp robot", -0.4, "r1")


def test_search_and_more():
    for number in range(14):
        _picture(f"a{number:02}", trigger_words="sks cat" if number == 3 else "")
    app = _open("library")
    assert len(app.number_input) == 12
    _click(app, "image.library.more")
    assert len(app.number_input) == 14
    app.text_input(key="image.library.search").set_value("CAT").run()
    assert [field.key for field in app.number_input] == ["image.weight.a03"]


def test_a_cover_that_lies_does_no_harm():
    adapter, _ = _picture("robot")
    (adapter.path / "cover.png").write_bytes(b"<svg onload=alert(1)>")
    _open("library")


def test_deleting_asks_first():
    _picture("robot")
    app = _open("library")
    _click(app, "image.delete.robot")
    assert read_adapter("robot")
    _in_dialog(app, "image.delete.robot", "image.delete.yes")
    assert list_adapters() == []


# files


def _import(name: str, content: bytes) -> AppTest:
    app = _open("library")
    _click(app, "image.library.import")
    app.file_uploader(key="image.import.file").set_value((name, content, "application/octet-stream"))
    _click(app, "image.library.import")
    _in_dialog(app, "image.library.import", "image.import.do")
    return app


def _as_file(name: str, format: str, folder, ending: str) -> bytes:
    file = folder / f"handed-on.{ending}"
    export(name, file, format)
    return file.read_bytes()


UNET = {
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q": (320, 320),
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_k": (320, 768),
}


def _real() -> Adapter:
    """An adapter with names and sizes as SD 1.5 has them."""
    generator = torch.Generator().manual_seed(0)

    def layer(rows: int, columns: int):
        from engine.adapters.lora import Layer

        sides = torch.randn(4, columns, generator=generator), torch.randn(rows, 4, generator=generator)
        return Layer(*sides, 2.0)

    part = {path: layer(*size) for path, size in UNET.items()}
    return put("sd", {"unet": part}, kind="image", family="sd1", base_model="sd15", trigger_words="zorp")


@pytest.mark.parametrize(
    ("format", "ending"), [("kohya", "safetensors"), ("diffusers", "safetensors"), ("peft", "zip")]
)
def test_a_file_comes_in_and_goes_out(tmp_path, format, ending):
    _real()
    content = _as_file("sd", format, tmp_path, ending)
    _import(f"My LoRA ({format}).{ending}", content)
    name = f"My_LoRA_{format}"
    assert read_adapter(name).card.family == "sd1" and read_adapter(name).card.trigger_words == "zorp"
    assert difference(deltas(name, "unet"), deltas("sd", "unet")) < 1e-6
    assert not list((tmp_path / "var" / "uploads").glob("*"))
    app = _open("library")
    _click(app, "image.export.sd")
    app.selectbox(key="image.export.format").set_value(format)
    _click(app, "image.export.sd")
    assert not app.error
    written = app.session_state["image.export:ready"][1]
    assert written == content if format != "peft" else len(written) == len(content)  # a zip says when it was made


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pt", b"\x80\x04\x95hello", "pickle"),
        ("a.safetensors", b"\x80\x04\x95hello", "pickle"),
        ("a.safetensors", b"nothing at all", "damaged"),
        ("a.safetensors", save({"transformer.x.lora_A.weight": torch.zeros(2, 2)}), "another kind of model"),
        ("a.zip", b"PK\x03\x04 broken", "no adapter"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(name, content, reason):
    app = _import(name, content)
    assert len(app.error) == 1 and reason in app.error[0].value
    assert list_adapters() == []


# merging


def _merge(app: AppTest) -> None:
    _click(app, "image.merge.do")
    for _ in range(100):
        time.sleep(0.05)
        app.run()
        if app.error or app.metric:
            break
    assert not app.exception, app.exception


def test_exact_merge_of_three_with_a_negative_weight():
    parts = [_picture(name, seed, rank)[1] for name, seed, rank in (("a", 1, 2), ("b", 2, 4), ("c", 3, 4))]
    app = _open("merge")
    app.multiselect(key="merge.image.adapters").set_value(["a", "b", "c"]).run()
    app.number_input(key="merge.image.weight.b").set_value(-0.5).run()
    app.text_input(key="merge.image.name").set_value("all").run()
    _merge(app)
    weighted = list(zip(parts, (1.0, -0.5, 1.0), strict=True))
    assert difference(deltas("all", "unet"), live(weighted)) < 1e-4
    text = _texts(app)
    assert "It does what the adapters do together, but for rounding." in text
    assert {metric.label: metric.value for metric in app.metric}["Energy kept"] == "100 %"
    assert app.text_input(key="merge.image.name").value == ""  # the next one needs another
    assert app.button(key="image.merge.draw")


def test_an_approximate_merge_says_so_and_shows_the_layers():
    _picture("a", 1)
    _picture("b", 2)
    app = _open("merge")
    app.multiselect(key="merge.image.adapters").set_value(["a", "b"]).run()
    app.selectbox(key="merge.image.method").set_value("dare_ties").run()
    app.slider(key="merge.image.density").set_value(0.3).run()
    app.number_input(key="merge.image.seed").set_value(7).run()
    assert "Approximate by nature: values are dropped at random" in _texts(app)
    _merge(app)
    recipe = read_adapter("a-b").card.spec
    assert (recipe["method"], recipe["density"], recipe["seed"]) == ("dare_ties", 0.3, 7)
    assert any("How much that changes" in info.value for info in app.info)
    kept = {metric.label: metric.value for metric in app.metric}["Energy kept"]
    assert kept == f"{read_adapter('a-b').card.metrics['energy']:.2%}".replace("%", " %")
    table = app.dataframe[0].value
    assert len(table) == len(SIZES) and set(table["Layer"]) == {f"unet.{path}" for path in SIZES}


def test_chat_adapters_merge_by_the_same_page():
    put("polite", uniform(1))
    put("brief", uniform(2))
    app = open_page(PAGE, query={"tab": "merge", "kind": "chat"})
    app.multiselect(key="merge.chat.adapters").set_value(["polite", "brief"]).run()
    app.selectbox(key="merge.chat.method").set_value("svd").run()
    app.number_input(key="merge.chat.rank").set_value(2).run()
    _merge(app)
    merged = read_adapter("polite-brief")
    assert (merged.card.kind, merged.rank) == ("chat", 2)
    assert app.button(key="image.merge.chat")


def test_other_bases_are_refused_before_the_click():
    _picture("a", 1)
    _picture("b", 2, family="sdxl")
    app = _open("merge")
    app.multiselect(key="merge.image.adapters").set_value(["a", "b"]).run()
    assert "only adapters of one base model can be merged" in app.warning[0].value


def test_ranks_that_differ_are_refused_with_the_reason_and_nothing_typed_is_lost():
    _picture("a", 1, rank=2)
    _picture("b", 2, rank=4)
    app = _open("merge")
    app.multiselect(key="merge.image.adapters").set_value(["a", "b"]).run()
    app.selectbox(key="merge.image.method").set_value("ties").run()
    app.text_input(key="merge.image.name").set_value("mine").run()
    app.number_input(key="merge.image.weight.a").set_value(0.3).run()
    _merge(app)
    assert "needs equal ranks" in app.error[0].value and len(list_adapters()) == 2
    again = _open("merge")
    assert again.multiselect(key="merge.image.adapters").value == ["a", "b"]
    assert again.number_input(key="merge.image.weight.a").value == 0.3
    assert again.text_input(key="merge.image.name").value == "mine"
    assert load_draft("Ann", "merge.image")["method"] == "ties"


def test_work_can_be_stopped_and_knows_how_long_it_takes():
    def slow(work):
        for done in range(1000):
            work.progress(done, 1000)
            time.sleep(0.01)

    work = Work(slow)
    while not work.done:
        time.sleep(0.01)
    assert work.left and work.left > 0
    work.cancel()
    work.join()
    assert isinstance(work.error, Cancelled) and work.done < 1000 and not work.alive
