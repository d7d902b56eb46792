"""Blind comparisons on the chat page, and the promoted adapter as what a new conversation begins with."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.adapters.promotion import promote, undo
from engine.adapters.store import delete_adapter
from engine.blind import results, sessions
from engine.blind.schema import Replies
from engine.chat import conversations
from engine.feedback import store
from pages.chat import blind as blind_page
from tests.engine.blind.helpers import make_adapter, make_session
from tests.pages.opening import open_page

HOSTILE = "<b>bold</b> ![p](http://a/x.png) [here](http://a)"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Tests click faster than people read."""
    monkeypatch.setattr(blind_page, "LOOK", 0.0)


def _open(name: str = "Ann", **query: str) -> AppTest:
    return open_page("pages/chat/chat.py", name, query=query)


def _click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def _labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def _words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.text, app.success, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def _progress(app: AppTest) -> str:
    return app.get("progress")[0].proto.text


def _choose(app: AppTest, label: str, value: str) -> None:
    next(box for box in app.selectbox if box.label == label).set_value(value).run()


def _adapter(app: AppTest) -> str:
    return str(next(box for box in app.selectbox if box.label == "Adapter").value)


def test_a_person_votes_to_the_end_and_nothing_gives_the_adapters_away():
    make_adapter("polite")
    make_session(2)
    app = _open()
    _click(app, "Blind comparison waiting: Tuesday, 2 left")
    for place in (1, 2):
        assert _progress(app) == f"{place} of 2" and "polite" not in str(app.main)
        left, right = [words.value for words in app.markdown if words.value[:3] in ("old", "new")]
        assert left[-1] == right[-1] and f"Question {left[-1]}?" in _words(app)
        _click(app, "Left is better" if left.startswith("new") else "Right is better")
    assert "You have voted on all of them. Thank you!" in _words(app)
    rate = results.result(1)
    assert rate and (rate.wins, rate.losses) == (2, 0) and store.count() == 2
    _click(app, "Back to chat")
    assert not any("Blind comparison waiting" in label for label in _labels(app)) and app.chat_input
    assert any("2 left" in label for label in _labels(_open("Bo")))


def test_opening_a_conversation_leaves_the_comparison():
    make_adapter("polite")
    make_session(2)
    talk = conversations.create("Ann")
    conversations.add_message("Ann", talk.id, "user", "Hello there", None)
    for label in ("Hello there", "New conversation"):
        app = _open(blind="1")
        assert "Which reply is better?" in _words(app) and not app.chat_input
        _click(app, label)
        assert app.chat_input and "Which reply is better?" not in _words(app) and "blind" not in app.query_params


@pytest.mark.parametrize(
    ("asked", "said"), [("99", "no blind comparison 99"), ("x", "no blind comparison x"), ("1", "closed")]
)
def test_an_address_that_leads_nowhere_says_so(asked, said):
    make_adapter("polite")
    sessions.close(make_session(1).id)
    app = _open(blind=asked)
    assert said in _words(app)
    _click(app, "Back to chat")
    assert app.chat_input


def test_what_models_wrote_is_harmless():
    make_adapter("polite")
    prompt = [{"role": "system", "content": HOSTILE}, {"role": "user", "content": HOSTILE}]
    sessions.create(HOSTILE, "polite", None, "starter", [Replies(prompt, f"old {HOSTILE}", f"new {HOSTILE}")], "Olga")
    (banner,) = [label for label in _labels(_open()) if label.startswith("Blind comparison waiting")]
    assert r"\<b\>" in banner and r"\!\[p\]" in banner
    app = _open(blind="1")
    shown = [words.value for words in app.markdown if "bold" in words.value]
    assert len(shown) == 3
    assert not any("![p]" in words.replace("\\!", "") or "](http" in words.replace("\\](", "") for words in shown)


def test_the_second_half_of_a_double_click_is_no_vote_on_the_next_pair(monkeypatch):
    monkeypatch.setattr(blind_page, "LOOK", 60.0)
    make_adapter("polite")
    make_session(2)
    app = _open(blind="1")
    _click(app, "Tie")
    assert store.count() == 0 and _progress(app) == "1 of 2"
    monkeypatch.setattr(blind_page, "LOOK", 0.0)
    _click(app, "Tie")
    assert store.count() == 1


def test_new_conversations_begin_with_the_promoted_adapter_and_old_ones_keep_theirs():
    make_adapter("one")
    talk = conversations.create("Ann")
    conversations.add_message("Ann", talk.id, "user", "Hello there", None)
    assert _adapter(_open()) == ""
    promote("one", "Olga", {})
    app = _open()
    assert _adapter(app) == ""
    box = next(box for box in app.selectbox if box.label == "Adapter")
    assert "one (default in chat)" in box.options
    _click(app, "New conversation")
    assert _adapter(app) == "one"
    assert conversations.find("Ann")[0].settings["a"]["adapter"] == "one"
    assert _adapter(_open("Bo")) == "one", "somebody who has no conversation yet"


def test_what_a_person_chooses_instead_of_the_default_stays_chosen():
    make_adapter("one")
    promote("one", "Olga", {})
    app = _open()
    _choose(app, "Adapter", "")
    conversations.add_message("Ann", conversations.find("Ann")[0].id, "user", "Hello there", None)
    app.run()
    _click(app, "New conversation")
    assert _adapter(app) == "" and _adapter(_open()) == ""


def test_undoing_takes_new_conversations_back():
    make_adapter("one")
    make_adapter("two", value=1.0)
    promote("one", "Olga", {})
    assert _adapter(_open()) == "one"
    undo("Olga")
    app = _open()
    assert _adapter(app) == ""
    promote("two", "Olga", {})
    _choose(app, "Adapter", "one")
    undo("Olga")
    app.run()
    assert _adapter(app) == "one", "chosen by the person, not by the promotion that was undone"


def test_a_promoted_adapter_that_is_deleted_is_no_default():
    make_adapter("one")
    promote("one", "Olga", {})
    delete_adapter("one")
    assert _adapter(_open()) == ""
