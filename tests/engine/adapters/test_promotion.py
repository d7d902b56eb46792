"""The default in chat: a person's decision, kept with its reasons, and undone step by step."""

import pytest

from engine.adapters.promotion import current, default_adapter, history, promote, undo
from engine.adapters.store import delete_adapter
from engine.errors import BadInput
from tests.engine.blind.helpers import make_adapter


def test_the_last_promotion_holds_and_undoing_goes_back_step_by_step(studio_home):
    make_adapter("one")
    make_adapter("two", value=1.0)
    assert default_adapter("starter") is None
    promote("one", "Ann", {"human": None})
    promote("two", "Bo", {"human": {"rate": 0.8}})
    assert default_adapter("starter") == "two"
    assert undo("Cy", "starter").adapter == "two" and default_adapter("starter") == "one"
    assert undo("Cy").adapter == "one" and default_adapter("starter") is None
    with pytest.raises(BadInput, match="nothing to undo"):
        undo("Cy")
    two, one = history()
    assert (two.by, two.undone_by, two.figures) == ("Bo", "Cy", {"human": {"rate": 0.8}})
    assert one.undone and two.undone and one.created < two.created < two.undone < one.undone


def test_each_base_model_has_its_own(studio_home):
    make_adapter("one")
    make_adapter("large", base="large-model", value=1.0)
    promote("one", "Ann", {})
    promote("large", "Ann", {})
    assert (default_adapter("starter"), default_adapter("large-model")) == ("one", "large")
    undo("Ann", "starter")
    assert (default_adapter("starter"), default_adapter("large-model")) == (None, "large")


def test_other_weights_under_the_same_name_are_no_default(studio_home):
    make_adapter("one")
    promote("one", "Ann", {})
    delete_adapter("one")
    assert default_adapter("starter") is None
    make_adapter("one", value=1.0)
    assert default_adapter("starter") is None
    promote("one", "Ann", {})
    assert default_adapter("starter") == "one"


def test_what_cannot_be_a_default_is_refused(studio_home):
    make_adapter("one")
    make_adapter("judge", kind="reward")
    make_adapter("stray", base="")
    promote("one", "Ann", {})
    for name, reason in (("one", "already"), ("judge", "kind reward"), ("stray", "not known"), ("gone", "no adapter")):
        with pytest.raises(BadInput, match=reason):
            promote(name, "Ann", {})
    assert len(history()) == 1


def test_the_command_line_promotes_and_demotes(studio, studio_home):
    make_adapter("one")
    code, document, errors = studio("adapters", "promote", "one", "--by", "Ann", "--json")
    assert code == 0, errors
    assert (document["adapter"], document["base_model"], document["by"]) == ("one", "starter", "Ann")
    now = current("starter")
    assert now and now.figures == {"reward": None, "human": None}
    code, document, _ = studio("adapters", "demote", "--json")
    assert code == 0 and (document["adapter"], document["default"]) == ("one", None)
    assert studio("adapters", "demote")[0] == 2
    assert studio("adapters", "promote", "gone")[0] == 2
