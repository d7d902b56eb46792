"""Background runs about knowledge bases: real processes, their progress, stop, resume and result; killed at any moment."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.jobs import local
from engine.knowledge import bases, database, documents, passages, retrieval
from engine.knowledge.bases import Base
from engine.knowledge.ingest import ingest
from engine.knowledge.specs import IngestSpec, ReindexSpec
from engine.knowledge.splitting import Splitter
from engine.runs import Run
from engine.runs.run import ENDED
from pages.shared import run_words
from tests.conftest import PROVE

FILES, PARTS = 40, 8
KILLS = 10 if PROVE else 2


@pytest.fixture
def base(studio_home) -> Base:
    """An empty base for Chinese."""
    return bases.create("图书馆", language="zh", splitter=Splitter(size=50, overlap=0))


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Documents of a few passages each; every passage has words that no other has."""
    folder = tmp_path / "files"
    folder.mkdir()
    paths = []
    for number in range(FILES):
        path = folder / f"{number}.txt"
        path.write_text("\n\n".join(_paragraph(number, part) for part in range(PARTS)), encoding="utf-8")
        paths.append(path)
    return paths


def _paragraph(number: int, part: int) -> str:
    return f"第{number}号展厅的第{part}件展品由收藏家乙{number}丙{part}捐赠，编号甲{number}丁{part}，每周一闭馆保养。"


def wait(run: Run, seconds: float = 120) -> str:
    """The state a run ends in."""
    deadline = time.monotonic() + seconds
    while run.status().state not in ENDED:
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.05)
    return run.status().state


def _begun(run: Run) -> None:
    while run.status().step == 0:
        assert run.status().state not in ENDED, run.log_tail()
        time.sleep(0.02)


def _whole(base: Base) -> int:
    """How many documents are in the base, each with all its passages."""
    found = documents.list_documents(base.id)
    assert [document.passages for document in found] == [PARTS] * len(found)
    for document in found:
        number = int(document.name.removesuffix(".txt"))
        texts = [passage.text for passage in passages.list_passages(base.id, document.id, limit=100)]
        assert texts == [_paragraph(number, part) for part in range(PARTS)]
    return len(found)


def _wait_for(table: str, base: Base, run: Run) -> None:
    """Until something is in a table: `unsettled` has vectors that go into the index before their passages are in the base."""
    while run.status().state not in ENDED:
        with database.reading(base.id) as db:
            if db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]:
                return


def _ids(base: Base) -> set[int]:
    return {
        passage.id
        for document in documents.list_documents(base.id)
        for passage in passages.list_passages(base.id, document.id)
    }


def test_ingest(base, files, tmp_path):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (uploads / "1.txt").write_text("闭馆时间为晚上九点。", encoding="utf-8")
    broken = tmp_path / "broken.pdf"
    broken.write_text("no PDF")
    spec = IngestSpec(
        base=base.id,
        files=[*files[:2], uploads / "1.txt", broken],
        names=["a/0.txt", "a/1.txt", "开放.txt", "broken.pdf"],
        uploads=uploads,
    )
    run = local.start_knowledge(spec)
    assert wait(run) == "finished", run.log_tail()
    status = run.status()
    assert (status.unit, status.subject) == ("passages", "图书馆")
    assert status.step == status.max_steps == 2 * PARTS + 1 and not uploads.exists()
    assert (status.result["added"], [note["file"] for note in status.result["refused"]]) == (3, ["broken.pdf"])
    assert [document.name for document in documents.list_documents(base.id)] == ["a/0.txt", "a/1.txt", "开放.txt"]
    assert retrieval.search([base.id], "晚上几点闭馆？").hits[0].passage.document_name == "开放.txt"
    assert run.command().startswith("python -m engine kb add '图书馆' ")
    assert "图书馆" in run_words.title(run, status)
    assert run_words.result(run, status.result) == "Documents added: 3; replaced: 0; unchanged: 0; refused: 1."
    assert len(run_words.refused(status.result)) == 1


def test_stop_and_resume(base, files):
    run = local.start_knowledge(IngestSpec(base=base.id, files=files))
    _begun(run)
    local.stop(run)
    assert run.status().state in ("stopped", "finished")
    there = _whole(base)
    assert wait_for_resume(run) == "finished", run.log_tail()
    assert _whole(base) == FILES and run.status().result["unchanged"] == there


def wait_for_resume(run: Run) -> str:
    """Resume a run, if it has not finished, and the state it ends in."""
    if run.status().state != "finished":
        local.resume(run)
    return wait(run)


def test_killed_at_random_moments(base, files, proof):
    """Shows 4: whenever the process dies, doing it again completes it, and no document was ever half in."""
    moment = random.Random(0)
    run = local.start_knowledge(IngestSpec(base=base.id, files=files))
    began = time.monotonic()
    assert wait(run) == "finished", run.log_tail()
    whole = time.monotonic() - began
    left = []
    for number in range(KILLS):
        for document in documents.list_documents(base.id):
            documents.delete_document(base.id, document.id)
        run = local.start_knowledge(IngestSpec(base=base.id, files=files))
        if number % 3 == 1:  # at any moment, which mostly is while it embeds; the others while it writes
            time.sleep(moment.uniform(0.1, 1) * whole)
        else:
            _wait_for("unsettled" if number % 3 else "documents", base, run)
            time.sleep(moment.uniform(0, 0.1))
        process = run.status().process
        if process and run.is_alive():
            os.kill(process[0], signal.SIGKILL)
        assert wait(run) in ("lost", "finished"), run.log_tail()
        left.append(_whole(base))  # what is in is whole
        assert all(hit.passage.document_name for hit in retrieval.rank(base.id, "收藏家捐赠的展品"))
        assert wait_for_resume(run) == "finished", run.log_tail()
        assert _whole(base) == FILES
        found = retrieval.search([base.id], _paragraph(3, 5), threshold=0).hits
        assert found[0].passage.text == _paragraph(3, 5)
        assert {hit.passage.id for hit in retrieval.rank(base.id, "展品", limit=100)} <= _ids(base)
    assert any(there < FILES for there in left), "no kill came in time"
    proof("6.4-ingest-kills", kills=KILLS, seconds_unharmed=round(whole, 2), documents_in_at_each_kill=left)


def test_reindex(base, files):
    ingest(base.id, [(path.name, path) for path in files[:2]])
    run = local.start_knowledge(ReindexSpec(base=base.id, splitter=Splitter(size=200, overlap=0)))
    assert wait(run) == "finished", run.log_tail()
    after = bases.get(base.id)
    assert after.splitter.size == 200 and after.passages < 2 * PARTS
    assert run.status().result == {"passages": after.passages}
    assert run.command() == "python -m engine kb reindex '图书馆' --size 200 --overlap 0"
    assert run_words.result(run, run.status().result) == f"Passages indexed: {after.passages}."


def test_one_after_the_other(base, files):
    """A second run waits for the first; none fails."""
    runs = [local.start_knowledge(IngestSpec(base=base.id, files=part)) for part in (files[:6], files[6:9])]
    assert [wait(run) for run in runs] == ["finished", "finished"]
    assert _whole(base) == 9


def test_refusals(base, tmp_path):
    for spec, sentence in [
        (IngestSpec(base="kb-00000000", files=[tmp_path]), "There is no knowledge base"),
        (IngestSpec(base=base.id, files=[]), "no file to add"),
        (ReindexSpec(base=base.id, embedding="../x y"), "no embedding model"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            local.start_knowledge(spec)
    run = local.start_knowledge(IngestSpec(base=base.id, files=[tmp_path / "nothing.txt"]))
    assert wait(run) == "failed"
    assert run.status().reason == "There is no file “nothing.txt”." and bases.get(base.id).documents == 0


def test_runs_show_names_the_base(base, files, studio):
    run = local.start_knowledge(IngestSpec(base=base.id, files=files[:1]))
    wait(run)
    code, shown, errors = studio("runs", "show", run.id, "--json")
    assert code == 0, errors
    assert (shown["base"], shown["dataset"], shown["unit"]) == ("图书馆", None, "passages")
