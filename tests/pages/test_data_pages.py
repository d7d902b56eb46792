"""The Datasets page: every tab of every kind of dataset, and the clicks that make versions and start runs."""

import json
import time

import pytest
from streamlit.testing.v1 import AppTest

from engine.data import registry
from engine.data.importing import import_files
from engine.runs import list_runs
from engine.runs.run import ENDED
from engine.settings import ROOT

TABS = {
    "talks": ["Rows", "Broken lines (1)", "Versions", "Clean", "Tokenise", "About"],
    "pairs": ["Rows", "Versions", "Clean", "About"],
}


@pytest.fixture
def datasets(tmp_path):
    """One of conversations with a broken line, one of pairs of replies."""
    rows = [{"prompt": f"What is {n}?", "chosen": f"The number {n}.", "rejected": "No idea."} for n in range(12)]
    talks = [{"instruction": row["prompt"], "output": row["chosen"]} for row in rows]
    for name, lines in (("talks", [*map(json.dumps, talks), "{"]), ("pairs", map(json.dumps, rows))):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
        import_files([tmp_path / f"{name}.jsonl"], name)


def _open(dataset: str, tab: str = "Rows", language: str = "en") -> AppTest:
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params.update({"lang": language, "as": "Ann", "dataset": dataset})
    app.run()
    app.session_state["datasets.chosen"] = dataset
    broken, talks = registry.card(dataset).broken > 0, registry.card(dataset).kind == "messages"
    app.session_state[f"datasets.tabs.{broken}.{talks}"] = tab
    app.switch_page("pages/data/datasets.py").run()
    assert not app.exception and not app.error, [app.exception, app.error]
    return app


@pytest.mark.parametrize(("dataset", "tab"), [(name, tab) for name, tabs in TABS.items() for tab in tabs])
def test_every_tab_shows_its_dataset(datasets, dataset, tab):
    app = _open(dataset, tab)
    assert [each.label for each in app.tabs if each.label in TABS[dataset]] == TABS[dataset]
    shown = {
        "Rows": lambda: app.button(key=f"datasets.row.{dataset}@1.True.0.edit"),
        "Clean": lambda: app.button(key=f"datasets.clean.{dataset}.start"),
        "Tokenise": lambda: app.button(key=f"datasets.tokenise.{dataset}.start"),
    }
    assert shown.get(tab, lambda: app.dataframe[0])()


def test_an_edited_row_makes_a_version_with_the_persons_name(datasets):
    app = _open("talks")
    _edit(app, "Nothing at all.")
    card = registry.card("talks")
    assert (card.version, card.change["by"]) == (2, "Ann")
    assert _row("talks")["messages"][1]["content"] == "Nothing at all."
    assert _row("talks@1")["messages"][1]["content"] == "The number 0."


def test_an_edit_that_breaks_a_rule_is_refused_in_a_sentence(datasets):
    app = _open("talks")
    _edit(app, " ")
    assert "no assistant turn has any text" in app.error[0].value
    assert registry.card("talks").version == 1


def test_chosen_rows_are_left_out_together(datasets):
    app = _open("pairs")
    for number in (0, 2):
        app.checkbox(key=f"datasets.row.pairs@1.True.{number}.choose").check().run()
    app.button(key="datasets.rows.delete").click().run()
    assert registry.card("pairs").rows == 10
    assert [_row("pairs", n)["prompt"][0]["content"] for n in (0, 1)] == ["What is 1?", "What is 3?"]


def test_a_search_shows_the_rows_that_have_the_words(datasets):
    app = _open("talks")
    app.text_input(key="datasets.search.talks@1.True").set_value("what is 7").run()
    shown = [box.label for box in app.expander if "What is" in box.label]
    assert shown == ["8 · What is 7?"]


def test_a_cleaning_runs_in_the_background_and_its_report_is_shown(datasets):
    app = _open("talks", "Clean")
    app.number_input(key="datasets.clean.talks.min_chars").set_value(14).run()
    app.button(key="datasets.clean.talks.start").click().run()
    run = list_runs()[0]
    assert (run.kind, run.spec()["options"]["min_chars"], run.spec()["by"]) == ("clean", 14, "Ann")
    _wait(run)
    assert registry.card("talks").rows == 2  # 10 and 11
    assert any(box.label == "left out · reply too short · 10" for box in _open("talks", "Clean").expander)


def test_an_old_version_is_brought_back(datasets):
    registry.append("talks", registry.rows("talks", 0, 1))
    app = _open("talks", "Versions")
    app.button(key="datasets.restore").click().run()
    assert (registry.card("talks").version, registry.card("talks").rows) == (3, 12)


def _row(name: str, number: int = 0) -> dict:
    return registry.rows(name, number, 1)[0].model_dump()


def _edit(app: AppTest, reply: str) -> None:
    edit = "datasets.row.talks@1.True.0.edit"
    app.button(key=edit).click().run()
    app.text_area(key="datasets.edit.talks@1.0.messages.1").set_value(reply)
    app.button(key=edit).click()  # here every click runs the whole page, and only this one keeps the dialog open
    app.button(key="datasets.edit.save").click().run()


def _wait(run) -> None:
    deadline = time.monotonic() + 60
    while run.status().state not in ENDED and time.monotonic() < deadline:
        time.sleep(0.2)
    assert run.status().state == "finished", run.log_tail()
