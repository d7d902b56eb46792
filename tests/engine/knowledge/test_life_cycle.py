"""What goes in can be found, what goes out is gone from everywhere, and what is not touched stays as it is."""

import sqlite3
import uuid

import pytest

from engine.errors import BadInput
from engine.knowledge import bases, documents, index, ingest, passages, retrieval
from engine.knowledge.database import folder, locked, reading
from engine.knowledge.splitting import Splitter
from engine.settings import settings
from tests.engine.knowledge.helpers import CHINESE, HARBOUR, LANTERN, filled, write

MARKER = "quixotrel"


def rows(base_id: str, *, but: int = 0) -> list[tuple]:
    with reading(base_id) as db:
        return [tuple(row) for row in db.execute("SELECT * FROM passages WHERE id != ? ORDER BY id", (but,))]


def found(base_id: str, question: str) -> list[str]:
    return [hit.passage.text for hit in retrieval.rank(base_id, question)]


def test_documents_are_found_in_their_place(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    assert (base.documents, base.passages, base.embedding) == (2, 3, "minilm")
    hit = retrieval.search([base.id], "How long does the battery of the Zorvex 9 last?").hits[0]
    assert hit.passage.document_name == "lantern.md"
    assert (hit.lexical_rank, hit.dense_rank) == (1, 1)
    text, start = documents.page_text(base.id, hit.passage.document, hit.passage.page)
    assert text[hit.passage.start - start : hit.passage.end - start] == hit.passage.text


def test_adding_again_passes_over_what_is_there_and_replaces_what_changed(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    before = rows(base.id)
    same = ingest.ingest(base.id, [write(tmp_path, "lantern.md", LANTERN)])
    assert (same.unchanged, same.added, same.replaced) == (1, 0, 0)
    assert rows(base.id) == before
    changed = ingest.ingest(base.id, [write(tmp_path, "lantern.md", LANTERN.replace("forty", "ninety"))])
    assert (changed.unchanged, changed.added, changed.replaced) == (0, 0, 1)
    assert "ninety" in found(base.id, "battery of the Zorvex")[0]
    assert not any("forty" in text for text in found(base.id, "battery lasts forty hours"))
    assert bases.read(base.id).documents == 2


def test_the_same_content_under_another_name_is_pointed_out_and_taken(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN)
    told = ingest.ingest(base.id, [write(tmp_path, "copy.md", LANTERN)])
    assert told.added == 1 and told.duplicates == {"copy.md": ["lantern.md"]}
    assert documents.get_document(base.id, "lantern.md").same_as == ["copy.md"]


def test_a_deleted_document_is_gone_from_both_arms_and_from_the_disk(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, secret_txt=f"The {MARKER} is kept in the cellar.\n")
    assert MARKER in found(base.id, f"Where is the {MARKER} kept?")[0]
    documents.delete_document(base.id, documents.get_document(base.id, "secret.txt").id)
    for question in (MARKER, "What is kept in the cellar?"):
        assert not any(MARKER in text for text in found(base.id, question))
    index.close(base.id)  # as after a restart
    retrieval._lexicals.clear()
    assert not any(MARKER in text for text in found(base.id, MARKER))
    left = [path for path in folder(base.id).rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()]
    assert not left
    assert_no_orphans(base.id)


def test_a_deleted_base_leaves_nothing(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN)
    bases.delete(base.id)
    assert not list(settings().knowledge_bases.glob("*kb-*"))
    with pytest.raises(BadInput, match="no knowledge base"):
        retrieval.search([base.id], "battery")


def test_correcting_one_passage_leaves_the_others_byte_for_byte(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    one = passages.list_passages(base.id, 1)[0]
    before = rows(base.id, but=one.id)
    corrected = passages.correct(base.id, one.id, "The Zorvex 9 shines for a fortnight.")
    assert corrected.edited and corrected.id == one.id
    assert rows(base.id, but=one.id) == before
    assert found(base.id, "Does it shine for a fortnight?")[0] == "The Zorvex 9 shines for a fortnight."
    assert not any("forty" in text for text in found(base.id, "forty hours"))
    with pytest.raises(BadInput, match="needs text"):
        passages.correct(base.id, one.id, "  ")


def test_a_passage_switched_off_is_not_found_until_it_is_switched_on(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    one = passages.list_passages(base.id, 1)[0]
    passages.set_enabled(base.id, one.id, False)
    assert not any("battery" in text for text in found(base.id, "battery of the Zorvex 9"))
    passages.set_enabled(base.id, one.id, True)
    assert "battery" in found(base.id, "battery of the Zorvex 9")[0]


def test_another_model_indexes_anew_and_swaps(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    one = passages.list_passages(base.id, 1)[0]
    passages.correct(base.id, one.id, "The Zorvex 9 shines for a fortnight.")
    texts = [row[4] for row in rows(base.id)]
    after = ingest.reindex(base.id, embedding="e5")
    assert after.embedding == "e5"
    assert [row[4] for row in rows(base.id)] == texts
    assert found(base.id, "How long does the Zorvex 9 shine?")[0] == "The Zorvex 9 shines for a fortnight."
    assert_no_orphans(base.id)


def test_another_splitter_splits_again(tmp_path):
    base = filled(tmp_path, harbour_txt=HARBOUR)
    after = ingest.reindex(base.id, splitter=Splitter(size=60, overlap=0))
    assert after.passages == 2 and after.splitter.size == 60
    assert found(base.id, "Who gives permits for boats?")[0] == "Boats need a permit from the harbour master."
    assert_no_orphans(base.id)


def test_what_was_done_by_hand_survives_another_splitter(tmp_path):
    base = filled(tmp_path, harbour_txt=HARBOUR, lantern_md=LANTERN)
    harbour, lantern = documents.list_documents(base.id)
    passages.correct(base.id, passages.list_passages(base.id, harbour.id)[0].id, "The harbour of Lindau never closes.")
    passages.set_enabled(base.id, passages.list_passages(base.id, lantern.id)[1].id, False)
    before = rows(base.id)
    ingest.reindex(base.id, splitter=Splitter(size=60, overlap=0))
    assert rows(base.id) == before


def test_a_threshold_goes_with_its_model(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN)
    bases.change(base.id, threshold=0.6)
    assert ingest.reindex(base.id, splitter=Splitter(size=200, overlap=0)).threshold == 0.6
    assert ingest.reindex(base.id, embedding="e5").threshold is None


def test_passages_come_ready_made(tmp_path):
    lines = '{"id": "a", "text": "Rye needs cold."}\n\n{"id": 7, "text": "Maize needs warmth."}\n'
    base = bases.create("Fields")
    told = ingest.ingest(base.id, [write(tmp_path, "fields.jsonl", lines)], passages=True)
    assert told.passages == 2
    assert retrieval.rank(base.id, "What needs warmth?")[0].passage.key == "7"


@pytest.mark.parametrize(
    "lines", ['{"id": "a"}\n', "no json\n", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "\n", "[1]\n"]
)
def test_broken_ready_made_passages_are_refused(tmp_path, lines):
    base = bases.create("Fields")
    told = ingest.ingest(base.id, [write(tmp_path, "fields.jsonl", lines)], passages=True)
    assert len(told.refused) == 1 and bases.read(base.id).documents == 0


def test_a_text_in_another_language_than_the_model_is_warned_about(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN)
    told = ingest.ingest(base.id, [write(tmp_path, "tower.txt", CHINESE)])
    assert told.added == 1 and [note.file for note in told.warnings] == ["tower.txt"]


def test_chinese_decides_for_the_model_that_knows_it(tmp_path):
    base = filled(tmp_path, tower_txt=CHINESE)
    assert base.embedding == "e5"
    assert retrieval.search([base.id], "灯塔有多高？").hits[0].passage.document_name == "tower.txt"


def test_vectors_that_a_killed_process_left_are_swept(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN)
    import numpy as np

    stray = [900_001]
    with locked(base.id):
        index.add(base.id, stray, np.ones((1, 384), dtype=np.float32))
        assert index.present(base.id, stray) == stray
    ingest.ingest(base.id, [write(tmp_path, "harbour.txt", HARBOUR)])
    with locked(base.id):
        assert index.present(base.id, stray) == []


def test_several_bases_answer_one_question(tmp_path):
    first = filled(tmp_path, lantern_md=LANTERN)
    second = bases.create("Harbours")
    ingest.ingest(second.id, [write(tmp_path, "harbour.txt", HARBOUR)])
    found_ = retrieval.search([first.id, second.id], "When does the harbour of Lindau open?")
    assert (found_.hits[0].base, found_.hits[0].base_name) == (second.id, "Harbours")


def test_nothing_that_fits_is_found_for_what_is_not_there(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    nothing = retrieval.search([base.id], "Who won the football championship in 1998?")
    assert nothing.hits == [] and nothing.below and nothing.best < nothing.threshold
    with pytest.raises(BadInput, match="Write a question"):
        retrieval.search([base.id], "  ")
    with pytest.raises(BadInput, match="Choose a knowledge base"):
        retrieval.search([], "x")
    assert retrieval.search([bases.create("Empty").id], "x").best == 0


def assert_no_orphans(base_id: str) -> None:
    """Every folder of Chroma's belongs to a segment that it knows, and every vector to a passage."""
    index.close(base_id)
    chroma = folder(base_id) / "chroma"
    db = sqlite3.connect(chroma / "chroma.sqlite3")
    segments = {uuid.UUID(row[0]) for row in db.execute("SELECT id FROM segments")}
    db.close()
    assert {uuid.UUID(path.name) for path in chroma.iterdir() if path.is_dir()} <= segments
    with reading(base_id) as db:
        numbers = [row[0] for row in db.execute("SELECT vector FROM passages WHERE enabled")]
        assert db.execute("SELECT COUNT(*) FROM unsettled").fetchone()[0] == 0
    with locked(base_id):
        assert sorted(index.present(base_id, range(1, 1000))) == sorted(numbers)
