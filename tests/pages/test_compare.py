"""The Runs page: several runs side by side, notes and tags, the filter, and a run's settings taken up again."""

import json

import pytest

from engine.files import write_json
from engine.runs import create_run, list_runs
from engine.runs.notes import Notes, read_notes, write_notes
from engine.training.comparing import differing, names
from engine.training.specs import SftSpec
from tests.engine.blind.helpers import make_adapter
from tests.pages.opening import open_page

HOSTILE = "<b>bold</b> **strong** ![p](http://a/x.png)"


def _run(adapter, steps=30, samples=(), **settings):
    spec = SftSpec.model_validate({"dataset": "zorvex", "adapter": adapter, **settings})
    run = create_run("sft", spec.model_dump(), "python -m engine train sft", adapter=adapter)
    for step in range(1, steps + 1):
        run.add_event(step=step, loss=1 / step, tokens_per_second=100.0)
    run.add_event(step=steps, eval_loss=0.5)
    for step in samples:
        reply = {"prompt": [{"role": "user", "content": HOSTILE}], "reply": f"{adapter} at {step} {HOSTILE}"}
        write_json(run.path / "samples" / f"step-{step}.json", {"step": step, "samples": [reply]})
    run.update(state="finished", step=steps, max_steps=steps, loss=1 / steps, started=1.0, ended=601.0)
    return run


def _open(language="en", **query):
    return open_page("pages/train/runs.py", language=language, query=query)


def _words(app):
    return [str(element.value) for kind in (app.text, app.caption, app.markdown, app.subheader) for element in kind]


def _charts(app):
    return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]


def _button(app, label):
    return next(button for button in app.button if button.label == label)


def test_runs_are_compared_curve_by_curve_setting_by_setting_answer_by_answer():
    one, two = _run("one", samples=(10, 20), rank=4), _run("two", samples=(10, 30), rank=16)
    app = _open(compare=f"{one.id},{two.id}")
    loss, measured = _charts(app)
    for chart in (loss, measured):
        assert chart["encoding"]["color"]["scale"]["domain"] == ["one", "two"]
    figures, settings = app.dataframe[1].value, app.dataframe[2].value
    assert figures["Run"].tolist() == ["one", "two"]
    assert figures["Evaluation loss"].tolist() == [0.5, 0.5] and figures["Time"].tolist() == ["10 minutes"] * 2
    assert settings.to_dict("list") == {"Setting": ["Rank"], "one": ["4"], "two": ["16"]}
    assert f"one at 10 {HOSTILE}" in [text.value for text in app.text]
    assert not any("at 20" in words or "at 30" in words for words in _words(app))


def test_what_models_wrote_is_shown_letter_for_letter_only():
    run = _run("one", samples=(10, 20))
    for app in (_open(run=run.id), _open(compare=run.id)):
        assert any(HOSTILE in text.value for text in app.text)
        assert not any("**strong**" in element.value for kind in (app.markdown, app.caption) for element in kind)


def test_the_panel_shows_the_newest_answer_on_top_and_the_first_one_last():
    run = _run("one", samples=range(10, 400, 10))
    replies = [text.value for text in _open(run=run.id).text if text.value.startswith("one at")]
    assert replies[0].startswith("one at 390") and replies[-1].startswith("one at 10 ")


def test_runs_that_are_gone_or_are_no_training_are_left_out_with_a_word():
    one, two = _run("one"), _run("two")
    data = create_run("clean", {}, "python -m engine data clean", subject="d")
    app = _open(compare=f"{one.id},../../etc,{data.id},{two.id},20200101-000000-sft-0000")
    left_out = next(words for words in _words(app) if words.startswith("Left out"))
    assert "etc" in left_out and "clean" in left_out and "20200101" in left_out and one.id[-4:] not in left_out
    assert len(_charts(app)) == 2
    assert not _open(compare="").exception


def test_the_card_of_the_adapter_adds_its_numbers_if_this_run_made_it():
    one, two = _run("one"), _run("two")
    for run, of in ((one, one.id), (two, "20200101-000000-sft-0000")):
        metrics = {"perplexity": 3.5, "eval_loss": 0.25, "note": "x"}
        make_adapter(run.status().adapter or "", run=of, metrics=metrics)
    figures = _open(compare=f"{one.id},{two.id}").dataframe[1].value
    assert figures["perplexity"].tolist()[0] == 3.5 and figures["perplexity"].isna().tolist() == [False, True]
    assert figures["Evaluation loss"].tolist() == [0.25, 0.5]


def test_thirty_runs_have_thirty_looks():
    ids = [_run(f"adapter-{number}", steps=3).id for number in range(30)]
    encoding = _charts(_open(compare=",".join(ids)))[0]["encoding"]
    looks = zip(encoding["color"]["scale"]["range"], map(str, encoding["strokeDash"]["scale"]["range"]), strict=True)
    assert len({*looks}) == 30


def test_two_runs_of_one_name_are_told_apart():
    one, two, other = _run("same"), _run("same"), _run("other")
    assert names([one, two, other]) == [f"same ({one.id[-4:]})", f"same ({two.id[-4:]})", "other"]


def test_only_what_differs_is_listed():
    specs = [{"adapter": "a", "rank": 4, "rate": 5e-4, "new": None}, {"adapter": "b", "rank": 4, "rate": 1e-4}]
    assert differing(specs) == {"rate": ["0.0005", "0.0001"]}


def test_notes_are_kept_while_typed_saved_for_all_and_found_by_tag():
    run = _run("one")
    _run("two")
    app = _open(run=run.id)
    app.text_area[0].set_value("it overfits").run()
    again = _open(run=run.id)
    assert again.text_area[0].value == "it overfits" and read_notes(run).text == ""
    again.multiselect[0].set_value(["two  words"])
    _button(again, "Save").click().run()
    assert not again.exception and read_notes(run) == Notes(text="it overfits", tags=["two words"])
    assert again.multiselect[0].value == ["two words"] and "Not saved yet." not in _words(again)
    write_notes(run, "somebody else's words", ["best"])
    again.run()
    assert again.text_area[0].value == "somebody else's words" and "Not saved yet." not in _words(again)
    later = _open(run=run.id)
    assert later.text_area[0].value == "somebody else's words"
    assert sorted([*tags] for tags in later.dataframe[0].value["Tags"]) == [[], ["best"]]
    next(pills for pills in later.pills if pills.label == "Tags").set_value(["best"]).run()
    assert later.dataframe[0].value["Run"].tolist() == [run.id]


def test_the_settings_of_a_run_come_back_in_the_form_but_not_its_name(sample_dataset):
    run = _run("one", rank=32, learning_rate=0.00025)
    write_json(run.path / "spec.json", {**run.spec(), "no_such_setting": 1})
    app = _open(run=run.id)
    _button(app, "Use these settings").click().run()
    assert not app.exception and app.title[0].value == "LoRA training"
    values = {widget.label: widget.value for widget in [*app.number_input, *app.text_input]}
    assert (values["Rank"], values["Learning rate"], values["Name of the adapter"]) == (32, 0.00025, "")


def test_the_log_of_one_process_can_be_chosen():
    run = _run("one")
    (run.path / "logs").mkdir()
    run.log.write_text("of all")
    for rank in range(2):
        (run.path / "logs" / f"rank-{rank}.txt").write_text(f"of rank {rank}")
    app = _open(run=run.id)
    app.session_state[f"run.{run.id}.log"] = True
    app.run()
    assert any(code.value.startswith("of all") and "of rank 1" in code.value for code in app.code)
    next(box for box in app.selectbox if box.label == "Process").set_value(1).run()
    assert "of rank 1" in [code.value for code in app.code]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_speaks_the_language(language):
    ids = ",".join(_run(name, samples=(10,)).id for name in ("one", "two"))
    title = _open(language, compare=ids).subheader[0].value
    assert title == ("Final figures" if language == "en" else "最终数据")


def test_the_button_compares_the_run_looked_at_with_the_newest_other():
    runs = [_run(name) for name in ("one", "two", "three")]
    newest = next(run.id for run in list_runs() if run.id != runs[0].id)
    app = _open(run=runs[0].id)
    _button(app, "Compare runs").click().run()
    assert app.query_params["compare"] in ([f"{runs[0].id},{newest}"], f"{runs[0].id},{newest}")
    _button(app, "Back to one run").click().run()
    assert "compare" not in app.query_params and not app.exception


def test_only_trainings_have_curves_to_compare():
    from pages.train.compare import is_training

    assert is_training(create_run("sft", {}, "x", adapter="a"))
    assert not is_training(create_run("evaluate", {"adapter": "a"}, "x"))
    assert not is_training(create_run("import", {}, "x", subject="d"))
