"""Every page runs, empty and with data, in both languages, without a model being loaded."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.settings import ROOT

PAGES = ["pages/home/dashboard.py", "pages/chat/chat.py", "pages/chat/knowledge.py", "pages/chat/feedback.py",
         "pages/data/datasets.py", "pages/data/labelling.py", "pages/train/lora.py", "pages/train/runs.py",
         "pages/image/draw.py", "pages/image/lora.py", "pages/batch/batch.py"]  # fmt: skip


def _open(page: str, language: str = "en", name: str | None = "Ann") -> AppTest:
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params["lang"] = language
    if name:
        app.query_params["as"] = name
    app.run()
    app.switch_page(page).run()
    assert not app.exception, app.exception
    return app


def _texts(app: AppTest) -> str:
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info)
    labels = [widget.label for widget in [*app.button, *app.text_input, *app.selectbox]]
    return "\n".join([*(str(element.value) for kind in kinds for element in kind), *labels])


@pytest.mark.parametrize("page", PAGES)
def test_without_a_name_nothing_of_a_page_is_run(page):
    app = _open(page, name=None)
    assert [widget.label for widget in app.text_input] == ["Your name"]
    assert len(app.selectbox) == 0


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_empty_pages_speak_the_language(page, language):
    text = _texts(_open(page, language))
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    assert chinese > 20 if language == "zh" else chinese == 0, text


@pytest.mark.parametrize("page", PAGES)
def test_pages_with_data(page, sample_dataset):
    from engine.chat import conversations
    from engine.feedback import store
    from engine.feedback.schema import Reply
    from engine.runs import create_run

    talk = conversations.create("Ann")
    question = conversations.add_message("Ann", talk.id, "user", "<b>你好</b> ![x](http://a)", None)
    reply = conversations.add_message("Ann", talk.id, "assistant", '{"a": [1, {"b": 2}]}', question.id, {"model": "m"})
    prompt = [{"role": "user", "content": "你好"}]
    store.rate("Ann", prompt, Reply("x", "m"), conversation_id=talk.id, message_id=reply.id, verdict="good", rating=4)
    store.add("comparison", "Bo", prompt, Reply("x", "m"), Reply("y", "m", "lora"), winner="b", left_side="a")
    create_run("sft", {"dataset": sample_dataset}, "python -m engine train sft", adapter="lost-one")
    assert len(_texts(_open(page))) > 50


def test_what_somebody_typed_survives_a_new_session(sample_dataset):
    app = _open("pages/train/lora.py")
    name = next(widget for widget in app.text_input if widget.label == "Name of the adapter")
    name.set_value("half-typed").run()
    again = _open("pages/train/lora.py")
    assert next(widget for widget in again.text_input if widget.label == "Name of the adapter").value == "half-typed"


def test_another_persons_conversation_is_not_shown():
    from engine.chat import conversations

    talk = conversations.create("Bo")
    conversations.add_message("Bo", talk.id, "user", "my secret", None)
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params["as"] = "Ann"
    app.run()
    app.query_params["c"] = str(talk.id)
    app.switch_page("pages/chat/chat.py").run()
    assert not app.exception
    assert "my secret" not in _texts(app)
