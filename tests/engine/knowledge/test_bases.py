"""Bases: names, settings, nothing left after they are deleted."""

import pytest

from engine.errors import BadInput
from engine.knowledge import bases
from engine.settings import settings


def test_a_base_may_have_any_name_and_lies_under_an_id():
    base = bases.create("产品手册 / 2026", description="What we sell")
    assert bases.get("产品手册 / 2026") == bases.get(base.id) == base
    assert [path.name for path in settings().knowledge_bases.glob("kb-*")] == [base.id]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(BadInput):
        bases.create(name)


def test_a_name_is_given_once():
    base = bases.create("One")
    with pytest.raises(BadInput, match="already"):
        bases.create(" One ")
    other = bases.create("Two")
    with pytest.raises(BadInput, match="already"):
        bases.change(other.id, name="One")
    assert bases.change(base.id, name="One").name == "One"


def test_what_can_be_changed_is_kept():
    base = bases.create("One")
    changed = bases.change(base.id, name="一", description="d", threshold=0.4, no_answer="Ask Kim.")
    assert (changed.name, changed.effective_threshold, changed.no_answer) == ("一", 0.4, "Ask Kim.")
    assert bases.change(base.id, threshold=None).effective_threshold > 0
    with pytest.raises(BadInput, match="from 0 to 1"):
        bases.change(base.id, threshold=1.5)


@pytest.mark.parametrize("name", ["../escape", "no such", "/etc", "a/b/c"])
def test_an_embedding_model_that_is_none_is_refused(name):
    with pytest.raises(BadInput, match="embedding model"):
        bases.create("One", embedding=name)
    assert not bases.list_bases()


def test_the_language_decides_the_model():
    assert bases.create("en", language="en").embedding == "minilm"
    assert bases.create("zh", language="zh").embedding == "e5"
    assert bases.create("auto").embedding is None


def test_a_damaged_folder_does_not_empty_the_list():
    base = bases.create("One")
    broken = settings().knowledge_bases / "kb-00000000"
    broken.mkdir()
    (broken / "base.db").write_text("this is no database")
    assert [each.id for each in bases.list_bases()] == [base.id]


@pytest.mark.parametrize("name", ["..", "kb-1234567", "kb-../../..", "kb-zzzzzzzz"])
def test_an_id_cannot_leave_its_folder(name):
    with pytest.raises(BadInput, match="no knowledge base"):
        bases.read(name)
    with pytest.raises(BadInput, match="no knowledge base"):
        bases.delete(name)


def test_the_threshold_follows_language_and_size():
    from engine.knowledge.embedding import MANY, about

    chinese, english = about("e5").reads(chinese=True), about("e5").reads(chinese=False)
    assert (chinese.least(MANY), chinese.least(10**6)) == (0.3, 0.3)
    assert english.least(MANY) == 0.2
    assert 0.05 < chinese.least(1) == chinese.least(4) < chinese.least(16) < chinese.least(64) < 0.3
    assert bases.create("zh", language="zh").effective_threshold == chinese.least(0)
