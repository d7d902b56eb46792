"""The promotion panel and the flywheel's picture: the figures, every button, and what is there before there is anything."""

import json
from dataclasses import asdict

from streamlit.testing.v1 import AppTest

from engine.adapters.promotion import default_adapter, history, promote
from engine.blind import sessions
from engine.feedback import store
from engine.feedback.schema import Reply
from engine.statistics import WinRate
from tests.engine.blind.helpers import make_adapter, make_session, make_win_rate_run, vote_for

RATE = asdict(WinRate(18, 0, 2, 0.9, 0.699, 0.972))
WON = {"win_rate": {"against": None, "reward": "judge", "win_rate": RATE}}


def _panel() -> AppTest:
    def script():
        from pages.shared.frame import person
        from pages.train.promotion import promotion_panel

        person()
        promotion_panel("polite")

    return _run(AppTest.from_function(script, default_timeout=60))


def _flywheel(language: str = "en") -> AppTest:
    def script():
        from pages.shared.frame import person
        from pages.train.flywheel import flywheel_chart

        person()
        flywheel_chart()

    return _run(AppTest.from_function(script, default_timeout=60), language)


def _run(app: AppTest, language: str = "en") -> AppTest:
    app.query_params["as"], app.query_params["lang"] = "Ann", language
    app.run()
    assert not app.exception, app.exception
    return app


def _click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def _words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.success, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def _labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def _win(items: int) -> None:
    made = make_session(items)
    for _ in range(items):
        vote_for(made.id, "Bo", "new")


def test_without_a_figure_it_asks_before_it_promotes():
    make_adapter("polite")
    app = _panel()
    assert [metric.value for metric in app.metric] == ["–", "–"] and _words(app).count("No figure yet.") == 2
    assert "Ask people: start a blind comparison" not in _labels(app)
    _click(app, "Make it the default in chat")
    assert default_adapter("starter") is None and "can be undone" in _words(app)
    _click(app, "Make it the default")
    assert default_adapter("starter") == "polite" and "New conversations begin with polite." in _words(app)
    assert history()[0].figures == {"reward": None, "human": None} and history()[0].by == "Ann"


def test_an_interval_that_includes_one_half_asks_too():
    make_adapter("polite", metrics=WON)
    _win(3)
    app = _panel()
    assert [metric.value for metric in app.metric] == ["90%", "100%"] and "may be chance" in _words(app)
    _click(app, "Make it the default in chat")
    assert default_adapter("starter") is None and "Make it the default" in _labels(app)
    _click(app, "Leave it as it is")
    assert default_adapter("starter") is None and "Make it the default in chat" in _labels(app)


def test_with_two_good_figures_one_click_promotes_and_one_takes_it_back():
    make_adapter("older", value=1.0)
    promote("older", "Olga", {})
    make_adapter("polite", metrics=WON)
    _win(6)
    app = _panel()
    words = _words(app)
    assert "The default in chat is older now." in words and words.count("It is better than what was there before.") == 2
    assert "judged by judge. Prompts: 20." in words and "differ: 6. Votes: 6, people: 1." in words
    _click(app, "Make it the default in chat")
    assert default_adapter("starter") == "polite" and "by Ann" in _words(app)
    figures = history()[0].figures
    assert (figures["reward"]["win_rate"]["rate"], figures["human"]["votes"]) == (0.9, 6)
    _click(app, "Undo")
    assert default_adapter("starter") == "older" and "begin with older" in _words(app)
    assert "Make it the default in chat" in _labels(app)


def test_people_are_asked_and_the_comparison_is_closed():
    make_adapter("polite")
    make_win_rate_run()
    app = _panel()
    _click(app, "Ask people: start a blind comparison")
    (made,) = sessions.open_sessions()
    assert made.items == 2 and made.created_by == "Ann" and "Prompts to compare: 2." in _words(app)
    assert "Ask people: start a blind comparison" not in _labels(app)
    vote_for(made.id, "Bo", "new")
    app.run()
    assert "Prompts: 2, votes so far: 1, people: 1." in _words(app)
    _click(app, "Close the comparison")
    assert sessions.open_sessions() == [] and "Ask people: start a blind comparison" in _labels(app)


def test_answers_that_are_all_the_same_are_a_sentence():
    make_adapter("polite")
    make_win_rate_run(answers=[{"prompt": [{"role": "user", "content": "?"}], "before": "x", "after": "x"}])
    app = _panel()
    _click(app, "Ask people: start a blind comparison")
    assert "nothing to compare" in _words(app) and sessions.open_sessions() == []


def test_a_comparison_of_older_weights_is_not_offered():
    run = make_win_rate_run()
    make_adapter("polite", created=run.status().created + 5)
    assert "Ask people: start a blind comparison" not in _labels(_panel())


def test_an_adapter_that_is_gone_is_a_sentence():
    assert "There is no adapter “polite”" in _words(_panel())


def test_the_empty_flywheel_says_how_it_begins_to_turn():
    app = _flywheel()
    assert "has not begun to turn" in _words(app) and not app.get("vega_lite_chart")


def test_the_flywheel_is_one_picture_with_words_for_those_who_do_not_see_it():
    make_adapter("polite")
    _win(4)
    make_win_rate_run(win_rate=RATE)
    store.rate("Ann", [{"role": "user", "content": "?"}], Reply("x", "m"), verdict="good")
    (chart,) = _flywheel().get("vega_lite_chart")
    spec = json.loads(chart.proto.spec)
    titles = [panel["title"]["text"] for panel in spec["vconcat"]]
    assert titles == ["Judgements", "Pairs", "Finished trainings", "Win rate of new adapters, with 95 % interval"]
    assert "Judgements: 5, pairs: 0" in chart.proto.alt and "polite won 100% of 4 prompts" in chart.proto.alt
    domains = {str(panel["encoding"]["x"]["scale"]["domain"]) for panel in spec["vconcat"][:3]}
    assert domains == {str(spec["vconcat"][3]["layer"][1]["encoding"]["x"]["scale"]["domain"])}
