"""The labelling page without a browser: what is typed survives, nobody sees another's task, reviews go back and forth."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.data import registry
from engine.data.records import Conversation
from engine.labelling import desk, queues, review, sources, tasks
from engine.labelling.schema import Queue
from tests.pages.opening import open_page


@pytest.fixture
def queue() -> Queue:
    made = queues.create("greetings", "Olga", review=True)
    tasks.add(made.id, sources.typed("Say hello.\nSay goodbye.", "Olga"))
    return made


def _open(name: str) -> AppTest:
    return open_page("pages/data/labelling.py", name)


def _output(app: AppTest):
    return next(area for area in app.text_area if area.label == "Output")


def _click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def _words(app: AppTest) -> str:
    return "\n".join(str(element.value) for kind in (app.markdown, app.warning, app.error) for element in kind)


def test_the_sample_is_one_click_away():
    app = _open("Ann")
    _click(app, "Load the sample")
    assert "What is the Zorvex 9?" in _words(app)
    assert "What is the Zorvex 9?" not in _words(_open("Bo"))


def test_what_was_typed_is_there_in_a_new_session(queue):
    _output(_open("Ann")).set_value("Hello, my").run()
    assert _output(_open("Ann")).value == "Hello, my"


def test_saving_brings_the_next_one_empty_and_the_last_can_be_taken_back(queue):
    app = _open("Ann")
    _output(app).set_value("Hello!").run()
    _click(app, "Save & next")
    assert "Say goodbye." in _words(app) and _output(app).value == ""
    _click(app, "Take the last one back")
    assert "Say hello." in _words(app) and _output(app).value == "Hello!"


def test_an_empty_output_is_not_saved(queue):
    app = _open("Ann")
    _click(app, "Save & next")
    assert "Write the output first" in _words(app)
    assert "Say hello." in _words(app)


def test_skipping_everything_offers_to_take_it_up_again(queue):
    app = _open("Ann")
    _click(app, "Skip")
    _click(app, "Skip")
    _click(app, "Take up again what I skipped (2)")
    assert _output(app).value == ""


def test_a_reviewers_edit_becomes_the_row_and_a_comment_reaches_the_author(queue):
    for words in ("Hello!", "Bye!"):
        work = desk.take(queue.id, "Ann")
        assert work
        desk.save(work.assignment.id, "Ann", words)
    app = _open("Rae")
    app.session_state["labelling.mode"] = "review"
    app.run()
    _output(app).set_value("Hello, friend!").run()
    _click(app, "Accept")
    assert _output(app).value == "Bye!"
    waiting = review.take(queue.id, "Rae")
    assert waiting
    review.send_back(waiting.answers[0].id, "Rae", "Longer, please.")
    assert "Rae asks you to change it: Longer, please." in _words(_open("Ann"))
    _click(app, "Make a dataset")
    (row,) = [row for row in registry.iterate("greetings") if isinstance(row, Conversation)]
    assert row.messages[-1].content == "Hello, friend!"
    assert (row.source["annotator"], row.source["reviewer"]) == ("Ann", "Rae")


def test_a_queue_that_somebody_deletes_meanwhile_ends_in_a_sentence(queue):
    app = _open("Ann")
    _output(app).set_value("Hello!").run()
    queues.delete(queue.id)
    _click(app, "Save & next")
    assert "its queue was deleted" in _words(app)
