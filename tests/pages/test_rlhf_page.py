"""The RLHF page: every step opens, with nothing there and with something, and says what is missing."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.data import registry
from engine.feedback.schema import Reply
from engine.feedback.store import rate
from tests.engine.training import planted
from tests.pages.opening import open_page

STEPS = ["1 · Pairs", "2 · Training", "3 · Proof", "Flywheel"]


def _open(step: str, **state: object) -> AppTest:
    named = {key.replace("__", "."): value for key, value in state.items()}
    return open_page("pages/train/rlhf.py", state={"rlhf.step": step, **named})


def _words(app: AppTest) -> str:
    return "\n".join(str(each.value) for kind in (app.markdown, app.info, app.warning, app.caption) for each in kind)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_opens_with_nothing_there(studio_home, step):
    words = _words(_open(step))
    if step == STEPS[0]:
        assert "Nobody has judged a reply yet" in words
    if step == STEPS[1]:
        assert "There are no pairs yet" in words


@pytest.mark.parametrize("method", ["dpo", "kto", "reward", "rloo"])
def test_the_form_of_each_method_names_its_command(studio_home, tiny, method):
    planted.plant()
    app = _open(STEPS[1], rlhf__method=method)
    if method == "rloo":
        assert "RLOO needs a reward" in _words(app)
        app.text_area(key="rlhf.rloo.reward").set_value("length:60\njson@0.5").run()
    assert f"python -m engine rlhf {method}" in app.code[0].value


def test_pairs_are_built_of_what_people_judged(studio_home):
    prompt = [{"role": "user", "content": "What is tea?"}]
    rate("Ann", prompt, Reply("A drink.", "starter"), correction="Tea is a drink made of leaves.")
    app = _open(STEPS[0])
    app.button(key="rlhf.build").click().run()
    assert not app.exception
    assert registry.card("pairs").rows == 1


def test_rules_that_nothing_meets_are_explained(studio_home):
    prompt = [{"role": "user", "content": "What is tea?"}]
    rate("Ann", prompt, Reply("A drink.", "starter"), correction="Tea is a drink made of leaves.")
    app = _open(STEPS[0])
    app.number_input(key="rlhf.pairs.min_annotators").set_value(2).run()
    assert "ask more people to judge" in _words(app)
