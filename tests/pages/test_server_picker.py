"""A studio that is told of a server talks to it, and offers what the server lists."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.chat import conversations
from engine.settings import ROOT, settings
from tests.openai_server import openai_server

ADDRESS, NAME = "Address of the server", "Its name for the model"


@pytest.fixture
def server(monkeypatch):
    st.cache_data.clear()
    with openai_server() as server:
        server.models = [{"id": "m"}, {"id": "red", "parent": "m", "kind": "chat"}, {"id": "e5", "kind": "embedding"}]
        monkeypatch.setenv("STUDIO_OPENAI_BASE_URL", server.url)
        settings.cache_clear()
        yield server


def _chat() -> AppTest:
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params["as"] = "Ann"
    app.run()
    app.switch_page("pages/chat/chat.py").run()
    assert not app.exception, app.exception
    return app


def _labelled(widgets, label: str):
    return next(widget for widget in widgets if widget.label == label)


def test_the_configured_server_answers_with_what_it_lists(server):
    app = _chat()
    assert _labelled(app.text_input, ADDRESS).value == server.url
    names = _labelled(app.selectbox, NAME)
    assert (names.options, names.value) == (["m", "red (made for m)"], "m")
    names.select("red").run()
    app.chat_input[0].set_value("你好").run()
    assert not app.exception, app.exception
    assert server.asked[0][1]["model"] == "red"
    talk = conversations.find("Ann")[0]
    assert talk.settings["a"] == {"model": "m", "adapter": "red", "server": server.url}


def test_where_it_lists_nothing_a_name_may_be_typed(server):
    server.models = []
    app = _chat()
    assert _labelled(app.text_input, NAME).value == ""
