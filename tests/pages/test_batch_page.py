"""The Batch page without a browser: the sample in one click, the form, three rows tried, a run, its replies, and where they go."""

import json
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.batch import sample
from engine.batch.results import results
from engine.batch.spec import BatchSpec
from engine.data import registry
from engine.labelling import queues
from engine.runs import Run, create_run, list_runs
from engine.runs.run import ENDED
from engine.settings import settings
from tests.engine.models.conftest import make_adapter  # noqa: F401  (a fixture)
from tests.pages.opening import open_page, words

PAGE = "pages/batch/batch.py"
HOSTILE = '<img src="http://127.0.0.1:9/a"> ![p](http://127.0.0.1:9/b)'


@pytest.fixture(autouse=True)
def model(starter):
    """The starter, which has something to say."""


@pytest.fixture
def questions(studio_home) -> Path:
    """An uploaded file: commas, quotes, Chinese, a hostile cell, and a row that cannot be asked."""
    folder = settings().var / "uploads" / "abc" / "0"
    folder.mkdir(parents=True)
    file = folder / "questions.csv"
    rows = ["id,question,answer", '1,"What, in ""short"", is a drone?",a flyer', "2,什么是“无人机”？,飞行器"]
    file.write_text("\n".join([*rows, f'3,"{HOSTILE.replace(chr(34), chr(34) * 2)}",no', '4,"",nothing', ""]))
    return file


def _open(file: Path | None = None, template: str = "Say it again: {question}", **more) -> AppTest:
    state = {"batch.file": str(file), "batch.prompt_template": template} if file else {}
    sampling = {"max_new_tokens": 4, "temperature": 0.0, "top_p": 0.9, "top_k": 0, "repetition_penalty": 1.0, "seed": 0}
    return open_page(PAGE, state={**state, "batch.sampling": sampling} if file else {}, **more)


def _words(app: AppTest) -> str:
    return words(app, app.code)


def _click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return app


def _in_dialog(app: AppTest, opener: str, key: str) -> None:
    """Click in a dialog. Here every click runs the whole page, and only the opener's keeps the dialog open."""
    app.button(key=opener).click()
    _click(app, key)


def _started(app: AppTest) -> Run:
    _click(app, "batch.start")
    assert not app.error, _words(app)
    (run,) = [run for run in list_runs() if run.kind == "batch"]
    deadline = time.monotonic() + 120
    while run.status().state not in ENDED and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run.status().state == "finished", run.log_tail()
    return run


def test_one_click_loads_the_sample_and_shows_three_rows_as_the_model_reads_them():
    app = _click(_open(), "batch.sample")
    assert app.session_state["batch.prompt_template"] == sample.TEMPLATE
    table = app.dataframe[0].value
    assert list(table.columns) == ["number", "language", "letter", "mood"]
    shown = [code.value for code in app.code if "<|im_start|>user" in code.value]
    assert len(shown) == 3
    assert (
        'my daughter calls it "Bird".' in shown[0] and "“" not in shown[2] and '"这是我用过的最好的无人机"' in shown[2]
    )
    assert sum("tokens" in caption.value for caption in app.caption) >= 3
    assert not list_runs()


def test_a_column_goes_into_the_prompt_with_a_click(questions):
    app = _open(questions, template="Answer:")
    assert "no column" not in _words(app)
    app.button_group(key="batch.insert").set_value("question").run()
    assert app.session_state["batch.prompt_template"] == "Answer: {question}"
    assert app.session_state["batch.insert"] is None


def test_a_column_that_is_missing_is_a_sentence_and_nothing_starts(questions):
    app = _open(questions, template="Answer: {questoin}")
    assert "has no column “questoin”: it has id, question, answer" in _words(app)
    _click(app, "batch.start")
    assert app.error and not list_runs()


def test_what_was_typed_is_there_in_the_next_session(questions):
    app = _open(questions)
    app.text_area(key="batch.system").set_value("Be brief.").run()
    app.text_area(key="batch.prompt_template").set_value("{answer}?").run()
    app.toggle(key="batch.json_mode").set_value(True).run()
    again = open_page(PAGE)
    assert [again.text_area(key=f"batch.{name}").value for name in ("system", "prompt_template")] == [
        "Be brief.",
        "{answer}?",
    ]
    assert again.toggle(key="batch.json_mode").value and "questions" in _words(again)
    assert again.session_state["batch.sampling"]["max_new_tokens"] == 4


def test_what_was_typed_is_there_after_a_look_at_another_page():
    app = _click(_open(), "batch.sample")
    app.text_area(key="batch.prompt_template").set_value("{letter}?").run()
    app.button_group(key="batch.way").set_value("messages").run()
    app.selectbox(key="batch.messages_column").set_value("letter").run()
    app.switch_page("pages/chat/feedback.py").run()
    app.switch_page(PAGE).run()
    assert app.selectbox(key="batch.messages_column").value == "letter"
    app.button_group(key="batch.way").set_value("template").run()
    assert app.text_area(key="batch.prompt_template").value == "{letter}?"


def test_two_batches_of_one_file_can_be_told_apart(questions):
    """The browser names what was chosen by its label."""
    for _ in range(2):
        spec = BatchSpec(file=questions, prompt_template="{question}")
        create_run(spec.kind, spec.model_dump(mode="json"), "a command")
    app = open_page(PAGE, query={"run": list_runs()[0].id})
    assert len(set(app.radio(key="batch.chosen").options)) == 2


def test_an_empty_prompt_starts_nothing(questions):
    _click(_open(questions, " "), "batch.start")
    assert not list_runs()


def test_a_file_that_is_gone_is_asked_for_again(questions):
    _open(questions)
    questions.unlink()
    app = open_page(PAGE)
    assert "Which file?" in _words(app) and app.button(key="batch.sample")


def test_three_rows_are_tried_and_then_the_estimate_knows_the_time(questions):
    app = _click(_open(questions), "batch.try")
    trial = app.session_state["batch.trial"]
    for streams in trial.streams.values():
        streams["reply"].wait(60)
    app.run()
    replies = [streams["reply"].wait() for streams in trial.streams.values()]
    assert len(replies) == 3 and all(reply.text and reply.text in _words(app) for reply in replies)
    app.session_state["batch.takes"] = True
    app.run()
    assert "4 rows" in _words(app) and "if the other replies are as long as those tried" in _words(app)
    # other settings: what was tried says nothing about them
    app.text_area(key="batch.system").set_value("Be brief.").run()
    assert "if the other replies" not in _words(app)


def test_a_run_its_replies_and_where_they_go(questions):
    app = _open(questions)
    run = _started(app)
    spec = run.spec()
    assert (spec["prompt_template"], spec["max_new_tokens"]) == ("Say it again: {question}", 4)
    assert not questions.exists() and Path(spec["file"]).read_text().startswith("id,question")
    app.run()
    counts = results(run)
    assert run.id in app.query_params["run"]
    assert counts.rows == 4 and counts.left == 0
    table = app.dataframe[0].value
    assert list(table["question"])[:2] == ['What, in "short", is a drone?', "什么是“无人机”？"]
    assert HOSTILE in set(table["question"]) and HOSTILE not in "\n".join(m.value for m in app.markdown)

    # a dataset, a queue of the desk, and the form again
    app.button(key="batch.dataset").click().run()
    _in_dialog(app, "batch.dataset", "batch.dataset.make")
    assert registry.card("questions-replies").rows == counts.done
    app = open_page(PAGE, query={"run": run.id})
    app.button(key="batch.desk").click().run()
    _in_dialog(app, "batch.desk", "batch.desk.make")
    assert [queue.name for queue in queues.list_queues()] == ["questions-replies"]
    app = _click(open_page(PAGE, query={"run": run.id}), "batch.clone")
    assert app.text_area(key="batch.prompt_template").value == "Say it again: {question}"
    assert app.session_state["batch.file"] == spec["file"] and "run" not in app.query_params


def test_two_adapters_are_compared_with_scores_of_both(questions, tiny, make_adapter):  # noqa: F811
    make_adapter("red", tiny)
    app = _open(questions)
    app.selectbox(key="batch.speaker.model").set_value(tiny).run()
    app.toggle(key="batch.compare").set_value(True).run()
    app.selectbox(key="batch.adapter_b").set_value("red").run()
    app.selectbox(key="batch.reference").set_value("answer").run()
    run = _started(app)
    assert (run.spec()["adapter"], run.spec()["adapter_b"], run.spec()["reference"]) == (None, "red", "answer")
    app.run()
    assert list(app.table[0].value.columns) == ["Measure", "Base", "red"]
    shown = app.dataframe[0].value
    assert list(shown.columns)[:4] == ["Row", "Base", "red", "answer"] and list(shown["Base"]) != list(shown["red"])


def test_failed_rows_have_their_reason_and_are_run_again(tmp_path):
    file = tmp_path / "talks.jsonl"
    rows = [{"talk": [{"role": "user", "content": "Hello"}]}, {"talk": "no talk"}]
    file.write_text("\n".join(map(json.dumps, rows)))
    app = _open(file)
    app.button_group(key="batch.way").set_value("messages").run()
    app.selectbox(key="batch.messages_column").set_value("talk").run()
    assert "holds no list of messages" in _words(app)  # the preview says so before anything runs
    run = _started(app)
    app.run()
    assert results(run).failed == 1
    app.button_group(key=f"batch.rows.{run.id}").set_value("problems").run()
    (why,) = [row for row in app.dataframe[0].value["What is wrong"] if "list of messages" in row]
    assert why == "The cell “talk” holds no list of messages."
    _click(app, "batch.again")
    assert run.status().state in ("queued", "running", "finished")


@pytest.mark.parametrize("view", ["empty", "form", "runs"])
def test_every_view_speaks_chinese(questions, view):
    if view == "runs":
        app = open_page(PAGE, language="zh", query={"run": _started(_open(questions)).id})
    else:
        app = _open(None if view == "empty" else questions, language="zh")
    theirs = ("questions", "<|im_", "var/runs", "Say it", "You are", "What, in", "python -m", '[{"role"')
    ours = "\n".join(line for line in _words(app).splitlines() if not any(words in line for words in theirs))
    letters = sum("a" <= sign <= "z" for sign in ours)
    chinese = sum("\u4e00" <= sign <= "\u9fff" for sign in ours)
    assert chinese > 20 and letters < chinese, ours
