"""Runs about knowledge bases on the Runs page: what they are called, how far they are, what came of them."""

import pytest

from engine.jobs import knowledge
from engine.knowledge import bases
from engine.knowledge.specs import IngestSpec, ReindexSpec
from engine.runs import create_run
from tests.pages.opening import open_page


@pytest.fixture
def base(studio_home):
    """An empty base."""
    return bases.create("图书馆")


def _run(spec, **status):
    run = create_run(
        spec.kind, spec.model_dump(mode="json"), knowledge.command_line(spec), subject=knowledge.subject(spec)
    )
    run.update(unit="passages", **status)
    return run


def _words(app) -> str:
    return "\n".join(
        str(each.value) for kind in ("subheader", "markdown", "caption", "code", "error") for each in app.get(kind)
    )


def test_a_finished_one(base, tmp_path):
    result = {
        "added": 3, "replaced": 1, "unchanged": 0, "passages": 40, "duplicates": {}, "warnings": [],
        "refused": [{"file": "a.pdf", "sentence": "“{file}” holds no text.", "values": {"file": "a.pdf"}}],
    }  # fmt: skip
    run = _run(
        IngestSpec(base=base.id, files=[tmp_path]), state="finished", step=40, max_steps=40, result=result, ended=1.0
    )
    words = _words(open_page("pages/train/runs.py", query={"run": run.id}))
    assert "Adding documents · 图书馆" in words
    assert "Documents added: 3; replaced: 1; unchanged: 0; refused: 1." in words and "“a.pdf” holds no text." in words
    assert "kb add 图书馆" in words.replace("'", "")
    words = _words(open_page("pages/train/runs.py", language="zh", query={"run": run.id}))
    assert "添加文档 · 图书馆" in words and "“a.pdf”" in words and "holds no text" not in words


def test_from_it_to_the_base(base, tmp_path):
    other = bases.create("newer")
    run = _run(ReindexSpec(base=base.id), state="finished", step=4, max_steps=4, result={"passages": 4}, ended=1.0)
    app = open_page("pages/train/runs.py", query={"run": run.id})
    assert "Passages indexed: 4." in _words(app) and not [button for button in app.button if "dataset" in button.label]
    app.button(key="run.base").click().run()
    assert not app.exception and app.subheader[0].value == "图书馆" != other.name


def test_a_lost_one(base, tmp_path):
    run = _run(IngestSpec(base=base.id, files=[tmp_path]), state="running", step=10, max_steps=40)
    app = open_page("pages/train/runs.py", query={"run": run.id})
    assert "Resume goes on where it was." in app.warning[0].value
    assert [button.label for button in app.button if button.key == "run.resume"] == ["Resume"]
