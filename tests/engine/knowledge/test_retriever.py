"""The LangChain retriever: documents with their places, thresholds that hold, and no LangChain until it is asked for."""

import subprocess
import sys

import pytest

from engine.errors import BadInput
from engine.knowledge.retriever import retriever
from engine.settings import ROOT
from tests.engine.knowledge.helpers import HARBOUR, LANTERN, filled


def test_it_is_a_retriever_of_langchain(tmp_path):
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import RunnableLambda

    def first(documents: list[Document]) -> str:
        return documents[0].page_content

    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    found = retriever(base.name, limit=1)
    assert isinstance(found, BaseRetriever)
    chain = found | RunnableLambda(first)
    assert "six in the morning" in chain.invoke("When does the harbour of Lindau open?")
    (document,) = found.invoke("When does the harbour of Lindau open?")
    assert 0 < document.metadata.pop("score") <= 1
    assert document.metadata == {
        "knowledge_base": base.name, "document": "harbour.txt", "page": None, "line": 1, "key": "harbour.txt#0", "heading": "",
    }  # fmt: skip
    assert found.invoke("Who won the cup in 1998?") == []


def test_a_threshold_of_its_own(tmp_path):
    base = filled(tmp_path, lantern_md=LANTERN, harbour_txt=HARBOUR)
    assert retriever([base.id], threshold=0.99).invoke("When does the harbour of Lindau open?") == []


def test_no_such_base():
    with pytest.raises(BadInput):
        retriever("nothing")


def test_langchain_is_loaded_on_demand():
    modules = "answering citations retriever rewriting retrieval evaluation ingest"
    imports = ", ".join(f"engine.knowledge.{name}" for name in modules.split())
    heavy = "('langchain_core', 'langchain_chroma', 'chromadb', 'torch', 'transformers', 'sentence_transformers')"
    script = f"import sys, {imports}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
